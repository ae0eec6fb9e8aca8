/** The values of an expression, one for each series. @throws Error with Prometheus's own words */
export async function askPrometheus(url: string, expression: string): Promise<number[]> {
  const response = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query: expression })}`);
  const { data, error } = (await response.json()) as {
    data?: { result: readonly { value: [number, string] }[] };
    error?: string;
  };
  if (data === undefined) throw new Error(`${error}: ${expression}`);
  return data.result.map(({ value: [, text] }) => Number(text));
}

/** Those expressions that are not answered with numbers, each with what it is answered with. */
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

/** There is one, and each is a number. */
export function allAreNumbers(values: readonly number[]): boolean {
  return values.length > 0 && !values.some(Number.isNaN);
}

/** There is one that is a number; another one may have nothing to say, as the time of calls that nobody has made. */
export function someAreNumbers(values: readonly number[]): boolean {
  return values.some((value) => !Number.isNaN(value));
}
