type Write = {
  (fields: object, message: string): void;
  (message: string): void;
};

/** What SCBE needs of a log. pino's loggers are such, with a `child` for each part of the program. */
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
 * A logger for programs that have none: warnings and errors go to standard error, one JSON line each, and everything else
 * goes nowhere.
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

/** Errors say their type, code and message; bytes may be a body or a key, and say their length alone. */
function withoutValues(_name: string, value: unknown): unknown {
  if (value instanceof Error) {
    const { name, message } = value;
    return { type: name, message, ...("code" in value && { code: value.code }) };
  }
  return ArrayBuffer.isView(value) ? `[${value.byteLength} bytes]` : value;
}
