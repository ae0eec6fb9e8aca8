import { TS } from "./fixed.ts";
import {
  ACTIVE,
  at,
  END,
  grant,
  HELD,
  LATER,
  nothing,
  OPENS,
  opens,
  pair,
  ROTATED,
  ring,
  seals,
  timeline,
} from "./timelines.ts";

export function sealing() {
  const backwards = [ring(7, { k1: ACTIVE, k2: OPENS }), grant("k2", 7, OPENS), grant("k1", 7, ACTIVE)];
  const both = [ring(7, { k1: ACTIVE, k2: OPENS }), grant("k1", 7, ACTIVE), grant("k2", 7, OPENS)];
  return [
    timeline(
      "a key that is held seals as soon as a ring names it active",
      "KS15",
      [...both, ring(8, { k2: ACTIVE, k1: OPENS })],
      seals("k2", "k1"),
    ),
    timeline(
      "and so it does if it came before the former one",
      "KS15",
      [...backwards, ring(8, { k2: ACTIVE, k1: OPENS })],
      seals("k2", "k1"),
    ),
    timeline(
      "of two grants of one generation the first one's key seals",
      "KS22",
      [grant("k1", 8, ACTIVE), grant("k2", 8, ACTIVE)],
      seals("k1", "k2"),
    ),
    timeline(
      "the new active key seals once it is held",
      "KS15",
      [...HELD, ROTATED, grant("k2", 8, ACTIVE)],
      seals("k2", "k1"),
    ),
    timeline(
      "of two grants the newer one's key seals, though it came first",
      "KS22",
      [grant("k2", 8, ACTIVE), grant("k1", 7, ACTIVE)],
      seals("k2", "k1"),
    ),
    timeline("until the active key is held the former one seals", "KS16", [...HELD, ROTATED], seals("k1"), [
      "k2",
    ]),
    pair(
      "place by place, after a ring",
      "KS16",
      [...HELD, grant("k1", 7, ACTIVE, "embed"), ROTATED, grant("k2", 8, ACTIVE)],
      [seals("k2", "k1"), seals("k1")],
      ["k2 embed"],
    ),
    pair(
      "place by place, after a grant",
      "KS16 KS20",
      [...HELD, grant("k1", 7, ACTIVE, "embed"), grant("k2", 8, ACTIVE)],
      [seals("k2", "k1"), seals("k1")],
      ["k2 embed"],
    ),
    timeline("the former key seals no longer than it opens", "KS16", [...HELD, ROTATED, at(END)], nothing, [
      "k2",
    ]),
    timeline(
      "the former key does not seal when it is compromised",
      "KS16",
      [...HELD, ring(8, { k2: ACTIVE, k1: ["compromised"] })],
      nothing,
      ["k2"],
    ),
    timeline(
      "1 ms before the end of the active key, which is not held",
      "KS17",
      [...HELD, ring(8, { k2: ["active", TS + 9], k1: OPENS }), at(TS + 8)],
      seals("k1"),
      ["k2"],
    ),
    timeline(
      "at the end of the active key, which is not held",
      "KS17",
      [...HELD, ring(8, { k2: ["active", TS + 9], k1: OPENS }), at(TS + 9)],
      opens("k1"),
    ),
    timeline(
      "at the end of the active key, which was held",
      "KS17",
      [
        ...HELD,
        ring(8, { k2: ["active", TS + 9], k1: OPENS }),
        grant("k2", 8, ["active", TS + 9]),
        at(TS + 9),
      ],
      opens("k1"),
    ),
    ...formerKeys(),
    ...activeKeyEnded(),
    timeline(
      "where a ring names no active key nothing seals",
      "KS18",
      [...HELD, ring(8, { k1: OPENS })],
      opens("k1"),
    ),
    timeline(
      "after a ring without one, the former key does not go on until the next is held",
      "KS18",
      [...HELD, ring(8, { k1: OPENS }), ring(9, { k2: ACTIVE, k1: OPENS })],
      opens("k1"),
      ["k2"],
    ),
    timeline(
      "a key that a later ring names active again seals",
      "KS18",
      [...HELD, ring(8, { k1: OPENS }), ring(9, { k1: ACTIVE })],
      seals("k1"),
    ),
    pair(
      "after a ring without one, a newer grant brings the active key at one place: the former one does not go on at the other",
      "KS18",
      [...HELD, ring(8, { k1: OPENS }), grant("k2", 9, ACTIVE, "embed")],
      [opens("k1"), seals("k2")],
      ["k2 chat", "k1 embed"],
    ),
    timeline(
      "after a ring without one, a newer grant brings the active key",
      "KS18 KS12",
      [...HELD, ring(8, { k1: OPENS }), grant("k2", 9, ACTIVE)],
      seals("k2", "k1"),
    ),
  ];
}

/** Which former key is used until the active one is held. */
function formerKeys() {
  const lost = ring(8, { k2: ACTIVE, k1: ["compromised"] });
  const three = [...HELD, ROTATED, grant("k2", 8, ACTIVE), ring(9, { k3: ACTIVE, k2: OPENS, k1: OPENS })];
  return [
    timeline(
      "the former key goes on when yet another becomes active",
      "KS16",
      [...HELD, ROTATED, ring(9, { k3: ACTIVE, k2: OPENS, k1: OPENS })],
      seals("k1"),
      ["k3", "k2"],
    ),
    timeline("of two former keys the later one goes on", "KS16", three, seals("k2", "k1"), ["k3"]),
    timeline(
      "the earlier of two former keys does not go on when the later one is compromised",
      "KS16",
      [...three, ring(10, { k3: ACTIVE, k2: ["compromised"], k1: OPENS })],
      opens("k1"),
      ["k3"],
    ),
    timeline(
      "a former key that was wiped by a ring and granted again does not go on",
      "KS16",
      [...HELD, lost, ring(9, { k2: ACTIVE, k1: OPENS }), grant("k1", 9, OPENS)],
      opens("k1"),
      ["k2"],
    ),
    timeline(
      "a former key that was wiped at its end and granted again does not go on",
      "KS16 KS5",
      [
        ...[...HELD, ROTATED, at(END), ring(9, { k2: ACTIVE, k1: ["decrypt-only", LATER] })],
        grant("k1", 9, ["decrypt-only", LATER]),
      ],
      opens("k1"),
      ["k2"],
    ),
  ];
}

/** The end of an active key that is not held, while a former one opens. */
function activeKeyEnded() {
  const ended = [...HELD, ring(8, { k2: ["active", TS + 9], k1: OPENS }), at(TS + 9)];
  return [
    timeline(
      "after the end of the active key, a ring names another: the former key does not go on",
      "KS17",
      [...ended, ring(9, { k3: ACTIVE, k1: OPENS })],
      opens("k1"),
      ["k3"],
    ),
    pair(
      "after the end of the active key, a grant brings another: the former key does not go on at the other place",
      "KS17",
      [...ended, grant("k3", 9, ACTIVE, "embed")],
      [opens("k1"), seals("k3")],
      ["k3 chat", "k1 embed"],
    ),
    timeline(
      "after the end of the active key, a ring takes its end away: the former key does not go on",
      "KS17",
      [...ended, ring(9, { k2: ACTIVE, k1: OPENS })],
      opens("k1"),
      ["k2"],
    ),
    timeline(
      "a ring whose active key has ended, as it is not held: the former key does not go on",
      "KS17",
      [...HELD, ring(8, { k2: ["active", TS], k1: OPENS })],
      opens("k1"),
    ),
    timeline(
      "the clock is set back after the end of the active key: the former key does not go on",
      "KS17",
      [...ended, at(TS + 8)],
      opens("k1"),
      ["k2"],
    ),
    timeline(
      "the clock is set back after the end of the active key: it seals once it is held",
      "KS17 KS15",
      [...ended, at(TS + 8), grant("k2", 8, ["active", TS + 9])],
      seals("k2", "k1"),
    ),
    timeline(
      "at the end of an active key that a grant has made decrypt-only, the former one does not go on",
      "KS17",
      [...HELD, ROTATED, grant("k2", 9, ["decrypt-only", TS + 9]), at(TS + 9)],
      opens("k1"),
    ),
    timeline(
      "1 ms before the end of an active key that a grant has made decrypt-only, the former one goes on",
      "KS16",
      [...HELD, ROTATED, grant("k2", 9, ["decrypt-only", TS + 9]), at(TS + 8)],
      seals("k1", "k2"),
    ),
  ];
}
