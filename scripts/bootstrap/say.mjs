/** Writes one line of progress to stderr. */
export function say(line) {
  process.stderr.write(`scbe: ${line}\n`);
}

/** A closed terminal does not stop the cleanup. */
export function ignoreClosedTerminal() {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
}
