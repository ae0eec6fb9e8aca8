import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A log as it stands in its file, and once more with every text in it as it was before JSON escaped it. */
export interface ReadLog {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The logs of a folder. */
export function logsIn(folder: string): ReadLog[] {
  return readdirSync(folder).map((name) => {
    return { name, bytes: withTexts(readFileSync(join(folder, name), "utf8")) };
  });
}

/** A text as it stands, and once more every text and list of bytes in those of its lines that are JSON. */
export function withTexts(text: string): Buffer {
  const lines = text.split("\n").flatMap((line) => (line.startsWith("{") ? textsIn(parse(line)) : []));
  return Buffer.from([text, ...lines].join("\n"));
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  const values: unknown[] = Object.values(value);
  if (values.length > 1 && values.every(Number.isInteger)) return [values.join()];
  return values.flatMap(textsIn);
}
