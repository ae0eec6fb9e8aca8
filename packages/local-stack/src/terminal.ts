import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

/** Writes one line of progress to standard error. */
export function say(line: string): void {
  process.stderr.write(`${paint("dim", "scbe:", process.stderr)} ${line}\n`);
}

/** Writes one line about a failure to standard error. */
export function warn(line: string): void {
  say(paint("yellow", line, process.stderr));
}

/** Colours text if the stream is a terminal and NO_COLOR is unset. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream });
}

/** Writes to standard output; resolves when the text is written, or the reader is gone. */
export function print(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()));
}

/** Calls `listener` when the terminal is closed or the pipe's reader ends. Later writes do no harm. */
export function onClosedTerminal(listener: () => void): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", listener);
}
