import type { EpochEnd, EpochRecord } from "@scbe/contracts";
import type { StoreSight } from "../ports.ts";
import { isBehind, type Seen } from "./epoch-memory.ts";
import { coversNow, eachMinute, minutesToCheck, minutesToMake, type Times } from "./times.ts";

/** What a guard does next about the epoch. */
export type Step =
  | { readonly do: "serve" }
  | { readonly do: "extend"; readonly to: number }
  | { readonly do: "start"; readonly why: EpochEnd }
  /** Outside the queue group: others, who know better, are at work. */
  | { readonly do: "stand-by"; readonly why: Extract<EpochEnd, "other-store" | "out-of-range"> };

export interface Situation {
  /** what KV holds; undefined: nothing */
  readonly stored: EpochRecord | undefined;
  /** the newest record this guard knows of */
  readonly seen: Seen | undefined;
  readonly sight: Extract<StoreSight, { usable: true }>;
  /** how long nobody has verified the stored record */
  readonly quietMs: number;
  readonly nowMs: number;
  readonly times: Times;
}

/** Without a word of a guard that has verified the record for this long, a guard that could not starts another epoch. */
export const QUIET_MS = 1000;

/**
 * The one decision about the epoch. An epoch goes on only while its record, its store and every bucket that may be asked
 * for are as they must be; no bucket is ever made again for it.
 */
export function nextStep({ stored, seen, sight, quietMs, nowMs, times }: Situation): Step {
  if (stored === undefined) return { do: "start", why: "no-record" };
  if (isBehind(stored, seen)) return { do: "start", why: "record-behind" };
  if (sight.store !== stored.store) return whenQuiet("other-store", quietMs);
  if (!coversNow(stored, nowMs)) return whenQuiet("out-of-range", quietMs);
  const required = eachMinute(minutesToCheck(stored, nowMs, times));
  if (!required.every((minute) => sight.present.has(minute))) return { do: "start", why: "bucket-missing" };
  if (sight.present.has(stored.to + 1)) return { do: "start", why: "bucket-beyond" };
  const { to } = minutesToMake(nowMs, times);
  return stored.to < to ? { do: "extend", to } : { do: "serve" };
}

/** The minutes whose buckets the decision is about. */
export function minutesToLookAt(stored: EpochRecord | undefined, nowMs: number, times: Times): number[] {
  if (stored === undefined) return [];
  return [...eachMinute(minutesToCheck(stored, nowMs, times)), stored.to + 1];
}

function whenQuiet(why: Extract<EpochEnd, "other-store" | "out-of-range">, quietMs: number): Step {
  return quietMs >= QUIET_MS ? { do: "start", why } : { do: "stand-by", why };
}
