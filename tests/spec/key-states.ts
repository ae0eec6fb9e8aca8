import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { GrantMeta, RingState } from "@scbe/contracts";
import { importSubkeys } from "@scbe/envelope";
import { HeldKeys } from "@scbe/verifier";
import { readVectors, type SpecCase } from "./vectors.ts";

type Step =
  | { readonly time: number }
  | { readonly ring: unknown }
  | { readonly grant: { readonly provider: string; readonly intent: string; readonly meta: unknown } };

type Pair = [provider: string, intent: string];

interface Timeline {
  readonly name: string;
  readonly steps: readonly Step[];
  /** By provider and intent. */
  readonly places: Readonly<
    Record<string, { readonly opens: readonly string[]; readonly seals: string | null }>
  >;
  readonly wanted: readonly { readonly kid: string; readonly provider: string; readonly intent: string }[];
}

/** The vectors of held keys, timeline by timeline. */
export function cases(): readonly SpecCase[] {
  const file = readVectors<{ start: number; timelines: Timeline[] }>("key-states");
  return file.timelines.map((timeline) => ({
    file: "key-states",
    name: timeline.name,
    run: () => {
      for (const look of LOOKS) follow(timeline, file.start, look);
      if (isForward(timeline)) follow(timeline, file.start, () => undefined);
    },
  }));
}

/** The calls in which a reader checks its clock. Each of them wipes ended keys. */
const LOOKS: readonly ((keys: HeldKeys, kids: ReadonlySet<string>, pairs: readonly Pair[]) => void)[] = [
  (keys) => keys.expire(),
  (keys) => keys.missing(),
  (keys, _kids, pairs) => {
    for (const pair of pairs) keys.active(...pair);
  },
  (keys, kids, pairs) => {
    for (const pair of pairs) for (const kid of kids) keys.find(kid, ...pair);
  },
];

/** If the clock never goes back, the result does not depend on checks between the steps. */
function isForward({ steps }: Timeline): boolean {
  const times = steps.flatMap((step) => ("time" in step ? [step.time] : []));
  return times.every((time, i) => i === 0 || time >= (times[i - 1] ?? 0));
}

function follow({ steps, places, wanted }: Timeline, start: number, look: (typeof LOOKS)[number]): void {
  const pairs = Object.keys(places).map((place) => place.split(" ") as Pair);
  const providers = [...new Set(pairs.map(([provider]) => provider))];
  const intents = [...new Set(pairs.map(([, intent]) => intent))];
  let now = start;
  const keys = new HeldKeys({ providers, intents, now: () => now });
  const kids = new Set<string>();
  for (const step of steps) {
    if ("time" in step) {
      now = step.time;
      look(keys, kids, pairs);
    } else if ("ring" in step) {
      const ring = RingState.parse(step.ring);
      if (keys.isNews(ring)) keys.obey(ring);
    } else {
      const meta = GrantMeta.parse(step.grant.meta);
      const { provider, intent } = step.grant;
      const names = { env: "dev", provider, intent, kid: meta.kid } as const;
      kids.add(meta.kid);
      keys.take(importSubkeys(names, randomBytes(64)), meta);
    }
  }
  // Keys that end by the clock are wiped at the next check, all others at once.
  if (!steps.some((step) => "time" in step)) counts();
  check();
  counts();
  keys.clear();
  for (const pair of pairs) assert.equal(keys.active(...pair), undefined, "cleared");
  assert.equal(keys.size, 0, "cleared");

  /** Keys that do not open are wiped. */
  function counts(): void {
    for (const provider of providers) {
      const own = Object.entries(places).filter(([place]) => place.startsWith(`${provider} `));
      const opening = own.flatMap(([, { opens }]) => opens).length;
      assert.equal(keys.countOf(provider), opening, `held of ${provider}`);
    }
  }

  function check(): void {
    for (const [provider, intent] of pairs) {
      const place = places[`${provider} ${intent}`];
      const opens = [...kids].filter((kid) => keys.find(kid, provider, intent) !== undefined);
      assert.deepEqual(opens.toSorted(), place?.opens.toSorted(), `opens ${intent}`);
      assert.equal(keys.active(provider, intent)?.kid ?? null, place?.seals, `seals ${intent}`);
    }
    const text = (key: Timeline["wanted"][number]): string => `${key.kid} ${key.provider} ${key.intent}`;
    assert.deepEqual(keys.missing().map(text).toSorted(), wanted.map(text).toSorted(), "wanted");
  }
}
