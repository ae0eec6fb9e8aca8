/** The values of an expression, one for each series. @throws Error with Prometheus's message */
export async function askPrometheus(url: string, expression: string): Promise<number[]> {
  const response = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query: expression })}`);
  const { data, error } = (await response.json()) as {
    data?: { result: readonly { value: [number, string] }[] };
    error?: string;
  };
  if (data === undefined) throw new Error(`${error}: ${expression}`);
  return data.result.map(({ value: [, text] }) => Number(text));
}

/** The expressions whose results `areNumbers` refuses, each with its result. */
export async function withoutNumbers(
  url: string,
  expressions: readonly string[],
  areNumbers: (values: readonly number[]) => boolean,
): Promise<string[]> {
  const left: string[] = [];
  for (const expression of expressions) {
    try {
      const values = await askPrometheus(url, expression);
      if (!areNumbers(values)) left.push(`${expression}: ${values.join(" ") || "nothing"}`);
    } catch (error) {
      left.push(String(error));
    }
  }
  return left;
}

/** True if there is a value, and each is a number. */
export function allAreNumbers(values: readonly number[]): boolean {
  return values.length > 0 && !values.some(Number.isNaN);
}

/** True if some value is a number. Others can be NaN, like the duration of calls that were never made. */
export function someAreNumbers(values: readonly number[]): boolean {
  return values.some((value) => !Number.isNaN(value));
}
