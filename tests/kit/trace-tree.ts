import { eventually, type JaegerSpan, type JaegerTrace } from "@scbe/testkit";

/**
 * The spans of a trace as lines, each with its service, its name and why it failed, indented below its parent; siblings in
 * the order of their text. A parent that is not in the trace has a line of its own, with its id. What the replay guard was
 * asked again, since it had not answered in time, is told once.
 */
export function treeOf({ spans }: JaegerTrace): string[] {
  const ids = new Set<string | undefined>(spans.map(({ spanId }) => spanId));
  const below = (parent: string | undefined, depth: number): string[] =>
    spans
      .filter(({ parentSpanId }) => parentSpanId === parent)
      .map((span) => [`${"  ".repeat(depth)}${lineOf(span)}`, ...below(span.spanId, depth + 1)])
      .toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1))
      .filter(([line], index, all) => !isAskedAgain(line, all[index - 1]?.[0]))
      .flat();
  const missing = new Set(
    spans.flatMap(({ parentSpanId: id }) => (id === undefined || ids.has(id) ? [] : [id])),
  );
  return [...below(undefined, 0), ...[...missing].flatMap((id) => [`(${id})`, ...below(id, 1)])];
}

/** The spans of that name. */
export function spansNamed({ spans }: JaegerTrace, name: string): JaegerSpan[] {
  return spans.filter((span) => span.name === name);
}

/** Longer than any process keeps its spans, and Jaeger its batches. */
export const ARRIVAL = { timeoutMs: 15_000, everyMs: 100 };

/** Waits until a trace is there and has that tree. @throws the difference, once the time is up */
export function eventualTree(
  find: () => Promise<JaegerTrace | undefined>,
  check: (tree: readonly string[]) => unknown,
): Promise<JaegerTrace> {
  return eventually(async () => {
    const trace = await find();
    if (trace === undefined) throw new Error("Jaeger does not know of such a trace");
    check(treeOf(trace));
    return trace;
  }, ARRIVAL);
}

function isAskedAgain(line: string | undefined, before: string | undefined): boolean {
  return line === before && line?.trimStart().startsWith("replay-guard: ") === true;
}

function lineOf({ service, name, error }: JaegerSpan): string {
  return `${service}: ${name}${error === undefined ? "" : ` !${error}`}`;
}
