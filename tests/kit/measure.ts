/** How long calls took, in ms. */
export interface Timings {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Times `count` calls, one after the other, after `warmUp` that are not counted. */
export async function measure(
  { count, warmUp }: { readonly count: number; readonly warmUp: number },
  call: () => Promise<unknown>,
): Promise<Timings> {
  const times: number[] = [];
  for (let index = -warmUp; index < count; index += 1) {
    const started = performance.now();
    await call();
    if (index >= 0) times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.ceil(times.length * share) - 1] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

/** For people. */
export function render({ p50, p95, p99, max }: Timings): string {
  const ms = (value: number): string => `${value.toFixed(2)} ms`;
  return `p50 ${ms(p50)}, p95 ${ms(p95)}, p99 ${ms(p99)}, max ${ms(max)}`;
}
