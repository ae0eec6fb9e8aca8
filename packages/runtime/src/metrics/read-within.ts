import type { Labels } from "./table-metric.ts";

export type Reading = readonly [labels: Labels, value: number];

/** A scrape waits no longer for one of its looks; Prometheus gives up after seconds. */
const LOOK_MS_MAX = 500;

/** What a look finds, or nothing when it fails or takes too long. Never rejects. */
export async function readWithin(
  look: () => Iterable<Reading> | Promise<Iterable<Reading>>,
): Promise<Reading[]> {
  try {
    const found = look();
    const readings = found instanceof Promise ? await within(found, LOOK_MS_MAX) : found;
    return [...readings].filter(([, value]) => Number.isFinite(value));
  } catch {
    return [];
  }
}

async function within(found: Promise<Iterable<Reading>>, ms: number): Promise<Iterable<Reading>> {
  const { promise, resolve } = Promise.withResolvers<Iterable<Reading>>();
  const timer = setTimeout(() => resolve([]), ms);
  try {
    return await Promise.race([found, promise]);
  } finally {
    clearTimeout(timer);
  }
}
