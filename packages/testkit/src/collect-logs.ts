import type { Logger } from "@scbe/runtime";
import { createLogger } from "@scbe/service";

/** One log line, parsed. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly level: string; readonly msg?: string };

export interface CollectedLogs {
  /** Writes here and nowhere else. */
  readonly log: Logger;
  readonly lines: readonly LogLine[];
  /** All lines as they were written, for "no secret in any of them". */
  readonly text: string;
}

/** A logger, as services have it, that keeps its lines in memory. */
export function collectLogs({ name = "test", level = "trace" } = {}): CollectedLogs {
  const written: string[] = [];
  const log = createLogger({ name, level, destination: { write: (line) => void written.push(line) } });
  return {
    log,
    get lines() {
      return written.map((line) => JSON.parse(line) as LogLine);
    },
    get text() {
      return written.join("");
    },
  };
}
