import { TS } from "./fixed.ts";
import { grantsRead } from "./grant-timelines.ts";
import { ringsHeard, states } from "./ring-timelines.ts";
import { sealing } from "./sealing-timelines.ts";
import {
  ACTIVE,
  at,
  END,
  grant,
  HELD,
  nothing,
  OPENS,
  opens,
  pair,
  ring,
  seals,
  timeline,
} from "./timelines.ts";

/** Timelines of one sealer and opener: the messages in sequence, and the use of its keys at the end. */
export function keyStates() {
  return {
    start: TS,
    timelines: [...states(), ...ringsHeard(), ...grantsRead(), ...sealing(), ...asking()],
  };
}

/** The same intent of two providers is two places. */
function twoProviders() {
  const wanted = [{ kid: "k1", provider: "xai", intent: "chat" }];
  const places = { "openai chat": seals("k1"), "xai chat": nothing };
  return {
    name: "the same intent of another provider is another place",
    rules: ["KS15", "KS20"],
    places,
    wanted,
    steps: HELD,
  };
}

/** Kids, providers and intents with equal concatenations. */
function joinedNames() {
  const places = {
    "ab c": seals("k"),
    "ab bc": nothing,
    "a c": nothing,
    "a bc": nothing,
    "b c": nothing,
    "b bc": nothing,
  };
  const all = Object.keys(places).flatMap((place) => {
    const [provider, intent] = place.split(" ");
    return ["k", "ka"].map((kid) => ({ kid, provider, intent }));
  });
  return {
    name: "names that are the same text when they are written one after the other are told apart",
    rules: ["KS15", "KS20"],
    places,
    wanted: all.slice(1),
    steps: [ring(7, { k: ACTIVE, ka: OPENS }), grant("k", 7, ACTIVE, "c", "ab")],
  };
}

export function asking() {
  const all = {
    k1: ACTIVE,
    k0: OPENS,
    k3: ["retired"],
    k4: ["compromised"],
    k5: ["decrypt-only", TS],
  } as const;
  return [
    twoProviders(),
    joinedNames(),
    pair(
      "at the start the active key is asked for, for each place",
      "KS19",
      [],
      [nothing, nothing],
      [" chat", " embed"],
    ),
    pair(
      "before a ring only where nothing seals",
      "KS19",
      [grant("k1", 7, ACTIVE)],
      [seals("k1"), nothing],
      [" embed"],
    ),
    pair(
      "before a ring not where a former key goes on",
      "KS19 KS16",
      [grant("k1", 7, ACTIVE), grant("k1", 7, ACTIVE, "embed"), grant("k2", 8, ACTIVE)],
      [seals("k2", "k1"), seals("k1")],
    ),
    pair(
      "after a ring, a key that only a newer grant has named, too",
      "KS20",
      [...HELD, grant("k0", 8, OPENS)],
      [seals("k1", "k0"), nothing],
      ["k1 embed", "k0 embed"],
    ),
    pair(
      "after a ring every key that opens, at every place",
      "KS20",
      [ring(7, all)],
      [nothing, nothing],
      ["k1 chat", "k0 chat", "k1 embed", "k0 embed"],
    ),
    pair(
      "but not where it is held",
      "KS20",
      [ring(7, all), grant("k1", 7, ACTIVE), grant("k0", 7, OPENS, "embed")],
      [seals("k1"), opens("k0")],
      ["k0 chat", "k1 embed"],
    ),
    timeline(
      "a key that has ended is asked for no more",
      "KS20",
      [ring(7, { k1: ["active", END] }), at(END)],
      nothing,
    ),
  ];
}
