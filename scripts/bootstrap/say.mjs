/** One line of progress, on stderr. */
export function say(line) {
  process.stderr.write(`scbe: ${line}\n`);
}

/** A terminal that was closed is no reason to fall over while cleaning up. */
export function ignoreClosedTerminal() {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
}
