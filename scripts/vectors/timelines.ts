import { TS } from "./fixed.ts";

/** Ends of states; the clock of each timeline begins at TS. */
export const END = TS + 1_500_000;
export const LATER = END + 1000;

export type Key = readonly [state: string, notAfter?: number | null];
export type Step =
  | { readonly time: number }
  | { readonly ring: object }
  | { readonly grant: { readonly provider: string; readonly intent: string; readonly meta: object } };

export const at = (time: number): Step => ({ time });

export function ring(generation: number, keys: Readonly<Record<string, Key>>): Step {
  const lines = Object.entries(keys).map(([kid, [state, not_after = null]]) => ({ kid, not_after, state }));
  return { ring: { env: "dev", generation, keys: lines } };
}

/** A grant that was verified and opened. */
export function grant(
  kid: string,
  ring_generation: number,
  [state, not_after = null]: Key,
  intent = "chat",
  provider = "openai",
): Step {
  return { grant: { provider, intent, meta: { kid, not_after, ring_generation, state } } };
}

/** The state at the end of a timeline, for one place: the kids that open, and the one that seals. */
export interface Place {
  readonly opens: readonly string[];
  readonly seals: string | null;
}

export const nothing: Place = { opens: [], seals: null };
export const opens = (...kids: string[]): Place => ({ opens: kids, seals: null });
export const seals = (kid: string, ...others: string[]): Place => ({ opens: [kid, ...others], seals: kid });

export function timeline(
  name: string,
  rules: string,
  steps: readonly Step[],
  chat: Place,
  wanted: readonly string[] = [],
) {
  const places = { "openai chat": chat };
  return {
    name,
    rules: rules.split(" "),
    places,
    wanted: wanted.map((kid) => ({ kid, provider: "openai", intent: "chat" })),
    steps,
  };
}

/** Of two places. `wanted`: "kid intent", an empty kid for the active key. */
export function pair(
  name: string,
  rules: string,
  steps: readonly Step[],
  [chat, embed]: readonly [Place, Place],
  wanted: readonly string[] = [],
) {
  const places = { "openai chat": chat, "openai embed": embed };
  const asked = wanted.map((text) => {
    const [kid, intent] = text.split(" ");
    return { kid, provider: "openai", intent };
  });
  return { name, rules: rules.split(" "), places, wanted: asked, steps };
}

export const ACTIVE: Key = ["active"];
export const OPENS: Key = ["decrypt-only", END];
/** The start of most timelines: k1 is active and held. */
export const HELD = [ring(7, { k1: ACTIVE }), grant("k1", 7, ACTIVE)];
export const ROTATED = ring(8, { k2: ACTIVE, k1: OPENS });
