import {
  type Change,
  cut,
  documentOf,
  flagging,
  jcs,
  KILL,
  killing,
  names,
  READER,
  SOFT,
  signed,
  stateOf,
} from "./control-reference.ts";
import { fixed, TS } from "./fixed.ts";
import { base64url } from "./reference.ts";

export const MAX = 9_000_000_000_000_000;
export const DIGEST = base64url(fixed("a digest", 32));
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/** Texts of `length` characters that together begin with every character of base64url, one with each of the `last` ones. */
export function everyCharacter(length: number, last: string): string[] {
  return [...last].map(
    (end, at) =>
      (ALPHABET + ALPHABET)
        .slice(at * 23)
        .slice(0, length - 1)
        .padEnd(length - 1, ALPHABET) + end,
  );
}
export const AUDIT = { seq: 17, hash: DIGEST };
export const WINDOW = { seconds: 300, until: TS + 60_000, reason: "clocks of a zone are off" };
export const FLAG = { enabled: true, traffic_percentage: 25 };
export const EMOJI = "\u{1F600}";
export const ACCENT = "e\u0301";
export const UNPAIRED = "@unpaired@";

export const of = (change: Change) => documentOf(change);
export const reader = { env: READER.env };

export function good(rules: string, name: string, change: Change): object {
  const { message, generation, digest } = of(change);
  return { name, rules: rules.split(" "), ...reader, message, ok: true, generation, digest };
}

export function bad(rule: string, name: string, change: Change): object {
  return refused(rule, name, of(change).message);
}

export function refused(rule: string, name: string, message: string, reason = "malformed"): object {
  return { name, rules: [rule], ...reader, message, ok: false, reason };
}

/** A payload that is signed unchanged. */
export function badPayload(rule: string, name: string, payload: string): object {
  return refused(rule, name, jcs(signed(payload)));
}

export const kill = (change: Change): Change => killing(cut({ ...KILL, ...change }));
export const flag = (change: Change): Change => flagging(true, { openai: cut({ ...FLAG, ...change }) });
export const window = (change: Change): Change => ({ skew_window: cut({ ...WINDOW, ...change }) });
export const audit = (change: Change): Change => ({ audit: cut({ ...AUDIT, ...change }) });

/** A document whose payload has a given number of code points, by the reasons of its kills. */
export function ofLength(length: number, character = "r"): Change {
  const killed = (lengths: readonly number[]) =>
    names(64).map((name, at) => [name, { ...SOFT, reason: character.repeat(lengths[at] ?? 0) }] as const);
  const change = (lengths: readonly number[]) => killing(null, Object.fromEntries(killed(lengths)));
  const left = length - jcs(stateOf(change([]))).length;
  const most = Math.floor(left / 64);
  return change([most + (left % 64), ...Array.from({ length: 63 }, () => most)]);
}
