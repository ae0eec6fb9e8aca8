type Write = {
  (fields: object, message: string): void;
  (message: string): void;
};

/** A log, as SCBE uses it: a subset of pino's loggers. */
export interface Logger {
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
  readonly fatal: Write;
  /** A logger that adds these fields to each of its lines. */
  child(fields: Readonly<Record<string, unknown>>): Logger;
}

/**
 * A logger for programs that have none: it writes warnings and errors to standard error, one JSON line each, and drops everything else.
 */
export function stderrLogger(fields: Readonly<Record<string, unknown>>): Logger {
  const writer =
    (level: string): Write =>
    (first: object | string, message?: string) => {
      const own = typeof first === "string" ? {} : first;
      const line = { level, time: new Date().toISOString(), ...fields, ...own, msg: message ?? first };
      process.stderr.write(`${JSON.stringify(line, withoutValues)}\n`);
    };
  const nothing: Write = () => undefined;
  return {
    ...{
      debug: nothing,
      info: nothing,
      warn: writer("warn"),
      error: writer("error"),
      fatal: writer("fatal"),
    },
    child: (more) => stderrLogger({ ...fields, ...more }),
  };
}

/** Reduces an error to its type, code and message, and bytes to their length: they may be a body or a key. */
function withoutValues(_name: string, value: unknown): unknown {
  if (value instanceof Error) {
    const { name, message } = value;
    return { type: name, message, ...("code" in value && { code: value.code }) };
  }
  return ArrayBuffer.isView(value) ? `[${value.byteLength} bytes]` : value;
}

const LOG_EVERY_MS = 60_000;

/**
 * Limits the log lines of an event that any user of the bus can cause at will: it logs the first one at once, and then one each minute with
 * the number of events since the last line.
 */
export class LogLimiter {
  #loggedAt = Number.NEGATIVE_INFINITY;
  #count = 0;

  /** @param nowMs monotonic */
  note(nowMs: number, log: (count: number) => void): void {
    this.#count += 1;
    if (nowMs - this.#loggedAt < LOG_EVERY_MS) return;
    const count = this.#count;
    this.#loggedAt = nowMs;
    this.#count = 0;
    log(count);
  }
}
