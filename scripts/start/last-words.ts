import { readFileSync } from "node:fs";

const LINES = 8;

/** The end of a program's log, to be put behind a message: what it said before it ended, and where the rest is. */
export function lastWords(logFile: string): string {
  const lines = readLines(logFile).slice(-LINES).map(inWords);
  return [":", ...lines, `all of it: ${logFile}`].join("\n  ");
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n");
  } catch {
    return [];
  }
}

/** A line of our own services is JSON; a server's is a sentence already. */
function inWords(line: string): string {
  try {
    const { level, msg, err } = JSON.parse(line);
    return `${level}: ${msg}${err?.message === undefined ? "" : `: ${err.message}`}`;
  } catch {
    return line;
  }
}
