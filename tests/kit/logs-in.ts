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
    const text = readFileSync(join(folder, name), "utf8");
    const lines = text.split("\n").flatMap((line) => (line.startsWith("{") ? textsIn(parse(line)) : []));
    return { name, bytes: Buffer.from([text, ...lines].join("\n")) };
  });
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
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}
