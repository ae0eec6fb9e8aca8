import { type Making, MINUTE, make, TS } from "./fixed.ts";

/** Window and skew of an opener, in seconds: the defaults, the shortest and the longest. */
export const LIMITS: readonly (readonly [window: number, skew: number])[] = [
  [300, 30],
  [1, 0],
  [60, 120],
  [3600, 600],
];

export const MINUTE_MS = MINUTE * 60_000;

/** One comparison of step 4: valid at its edge, and invalid 1 ms (or 1 s of `ttl`) beyond it. */
export interface TimeEdge {
  readonly rule: string;
  readonly name: string;
  /** The envelope and the opener's clock; `beyond` is 0 at the edge and 1 beyond it. */
  readonly at: (beyond: 0 | 1) => { readonly making: Making; readonly now: number };
}

/** Every comparison of step 4 at its edge, for an opener with these limits. Nothing else is wrong beyond it. */
export function timeEdges(window: number, skew: number): readonly TimeEdge[] {
  const life = { ttl: window };
  const before = (beyond: number) => MINUTE_MS - 1000 - beyond;
  const after = (beyond: number) => MINUTE_MS + 60_000 + window * 1000 + beyond;
  const sealedAt = (ts: number) => ({ making: { members: { ttl: window, ts } }, now: ts });
  return [
    {
      rule: "T1",
      name: "a life as long as the window",
      at: (beyond) => ({ making: { members: { ttl: window + beyond } }, now: TS }),
    },
    {
      rule: "T2",
      name: "the soonest that the skew allows",
      at: (beyond) => ({ making: { members: life }, now: TS - skew * 1000 - beyond }),
    },
    {
      rule: "T3",
      name: "the latest that life and skew allow",
      at: (beyond) => ({ making: { members: life }, now: TS + (window + skew) * 1000 + beyond }),
    },
    {
      rule: "T4",
      name: "sealed 1 s before its session's minute",
      at: (beyond) => sealedAt(before(beyond)),
    },
    {
      rule: "T5",
      name: "sealed one window after its session's minute",
      at: (beyond) => sealedAt(after(beyond)),
    },
  ];
}

/** The edges of step 4 as vectors' names, rules, envelopes and situations. */
export function timeCases(phase: "request" | "response", beyond: 0 | 1) {
  return LIMITS.flatMap(([window, skew]) =>
    timeEdges(window, skew)
      // a ttl of 3601 breaks its member's form
      .filter(({ rule }) => beyond === 0 || rule !== "T1" || window < 3600)
      .map(({ rule, name, at }) => {
        const { making, now } = at(beyond);
        const where = `window ${window} s, skew ${skew} s: ${name}${beyond === 1 ? ", and 1 beyond" : ""}`;
        const situation = { now, window_seconds: window, skew_seconds: skew };
        return { name: where, rule, made: make({ phase, ...making }), situation };
      }),
  );
}
