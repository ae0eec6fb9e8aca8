import type { CaseSeries } from "./alert-case.ts";

/** The interval of scrapes and evaluations. */
export const SCRAPE_S = 15;

export type Labels = Readonly<Record<string, string>>;
/** The increase between the previous scrape and the scrape at that second. */
export type Increment = (second: number) => number;
/** The result of a scrape; `undefined`: no scrape; `gone`: the target, or this series of it, no longer exists. */
export type Value = number | "gone" | undefined;
/** One for each scrape. */
export type Values = readonly Value[];

/** Adds `count` at the end of each minute. */
export function everyMinute(count: number): Increment {
  return every(1, count);
}

/** Adds `count` after every `minutes`. */
export function every(minutes: number, count = 1): Increment {
  return (second) => (second > 0 && second % (minutes * 60) === 0 ? count : 0);
}

/** Adds only within those seconds. */
export function between(fromS: number, toS: number, increment: Increment): Increment {
  return (second) => (second > fromS && second <= toS ? increment(second) : 0);
}

/** Adds `count` at each scrape. */
export function eachScrape(count: number): Increment {
  return () => count;
}

export const nothing: Increment = () => 0;

/** A counter that starts at 0. */
export function counter(minutes: number, increment: Increment): Values {
  let total = 0;
  return seconds(minutes).map((second) => {
    if (second > 0) total += increment(second);
    return total;
  });
}

/** A gauge. */
export function gauge(minutes: number, at: (second: number) => Value): Values {
  return seconds(minutes).map(at);
}

/** The same values with a gap in which nothing was scraped. */
export function withGap(
  values: Values,
  { fromMinute, minutes }: { fromMinute: number; minutes: number },
): Values {
  const first = (fromMinute * 60) / SCRAPE_S;
  const count = (minutes * 60) / SCRAPE_S;
  return values.map((value, index) => (index >= first && index < first + count ? undefined : value));
}

export function series(name: string, labels: Labels, values: Values): CaseSeries {
  const inside = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return { series: `${name}{${inside.join(",")}}`, values: notation(values) };
}

/** Observations of one size. */
export interface Observations {
  readonly size: number;
  readonly increment: Increment;
}

/** The series of a histogram. */
export function histogram(
  name: string,
  labels: Labels,
  { bounds, minutes, of }: { bounds: readonly number[]; minutes: number; of: readonly Observations[] },
): readonly CaseSeries[] {
  const upTo = (bound: number) =>
    counter(minutes, (second) =>
      of.reduce((sum, { size, increment }) => sum + (size <= bound ? increment(second) : 0), 0),
    );
  return [
    ...bounds.map((bound) => series(`${name}_bucket`, { ...labels, le: String(bound) }, upTo(bound))),
    series(`${name}_bucket`, { ...labels, le: "+Inf" }, upTo(Number.POSITIVE_INFINITY)),
    series(`${name}_count`, labels, upTo(Number.POSITIVE_INFINITY)),
  ];
}

function seconds(minutes: number): readonly number[] {
  return Array.from({ length: (minutes * 60) / SCRAPE_S + 1 }, (_, index) => index * SCRAPE_S);
}

/** `0x3 1+2x4 _x5`: runs of equal values, of equal steps, and of nothing. */
function notation(values: Values): string {
  const runs: string[] = [];
  for (let at = 0; at < values.length; ) {
    const { length, text } = run(values, at);
    runs.push(text);
    at += length;
  }
  return runs.join(" ");
}

function run(values: Values, from: number): { length: number; text: string } {
  const first = values[from];
  const second = values[from + 1];
  if (first === undefined) {
    const length = lengthWhile(values, from, (value) => value === undefined);
    return { length, text: `_x${length}` };
  }
  if (first === "gone") {
    const length = lengthWhile(values, from, (value) => value === "gone");
    return { length, text: ["stale", ...(length > 1 ? [`_x${length - 1}`] : [])].join(" ") };
  }
  // An infinity or NaN has no next step.
  const step = typeof second !== "number" || !Number.isFinite(second - first) ? undefined : second - first;
  if (step === undefined) return { length: 1, text: String(first) };
  const length = lengthWhile(values, from, (value, index) => value === first + step * index);
  const sign = step < 0 ? "-" : "+";
  return { length, text: `${first}${sign}${Math.abs(step)}x${length - 1}` };
}

function lengthWhile(values: Values, from: number, holds: (value: Value, index: number) => boolean): number {
  const end = values.slice(from).findIndex((value, index) => !holds(value, index));
  return end === -1 ? values.length - from : end;
}
