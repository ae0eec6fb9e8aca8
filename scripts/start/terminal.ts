import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

/** One line of progress, on standard error. */
export function say(line: string): void {
  process.stderr.write(`${paint("dim", "scbe:", process.stderr)} ${line}\n`);
}

/** One line about something that went wrong, on standard error. */
export function warn(line: string): void {
  say(paint("yellow", line, process.stderr));
}

/** Coloured on a terminal that wants it (NO_COLOR does not), plain elsewhere. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream });
}

/** Writes to standard output; resolves when it is out, or when nobody reads any more. */
export function print(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()));
}

/** Runs when nobody reads our output any more: a closed terminal, or the end of a pipe. Writing goes on to harm nobody. */
export function onClosedTerminal(listener: () => void): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", listener);
}
