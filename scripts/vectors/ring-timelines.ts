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

export function states() {
  return [
    timeline("an active key opens and seals", "KS1 KS15", HELD, seals("k1")),
    timeline(
      "a decrypt-only key opens",
      "KS2",
      [ring(7, { k1: ACTIVE, k0: OPENS }), grant("k1", 7, ACTIVE), grant("k0", 7, OPENS)],
      seals("k1", "k0"),
    ),
    timeline(
      "a decrypt-only key never begins to seal",
      "KS2",
      [ring(7, { k1: ACTIVE, k0: OPENS }), grant("k0", 7, OPENS)],
      opens("k0"),
      ["k1"],
    ),
    pair(
      "a newer grant says that the active key only opens: it seals on where it did, and nowhere else",
      "KS2",
      [...HELD, grant("k1", 8, OPENS, "embed")],
      [seals("k1"), opens("k1")],
    ),
    timeline("a retired key is wiped", "KS3", [...HELD, ring(8, { k2: ACTIVE, k1: ["retired"] })], nothing, [
      "k2",
    ]),
    timeline(
      "a retired key is wiped before its end",
      "KS3",
      [...HELD, ring(8, { k2: ACTIVE, k1: ["retired", END] })],
      nothing,
      ["k2"],
    ),
    timeline(
      "a compromised key is wiped",
      "KS4",
      [...HELD, ring(8, { k2: ACTIVE, k1: ["compromised"] })],
      nothing,
      ["k2"],
    ),
    timeline(
      "a compromised key is wiped before its end",
      "KS4",
      [...HELD, ring(8, { k2: ACTIVE, k1: ["compromised", END] })],
      nothing,
      ["k2"],
    ),
    pair(
      "a compromised key is wiped at every place",
      "KS4",
      [...HELD, grant("k1", 7, ACTIVE, "embed"), ring(8, { k1: ["compromised"] })],
      [nothing, nothing],
    ),
    timeline(
      "an active key, 1 ms before its end",
      "KS5",
      [ring(7, { k1: ["active", END] }), grant("k1", 7, ["active", END]), at(END - 1)],
      seals("k1"),
    ),
    timeline(
      "an active key at its end",
      "KS5",
      [ring(7, { k1: ["active", END] }), grant("k1", 7, ["active", END]), at(END)],
      nothing,
    ),
    timeline(
      "a decrypt-only key, 1 ms before its end",
      "KS5",
      [...HELD, ring(8, { k1: OPENS }), at(END - 1)],
      opens("k1"),
    ),
    timeline("a decrypt-only key at its end", "KS5", [...HELD, ring(8, { k1: OPENS }), at(END)], nothing),
    timeline(
      "a ring that says again what was said brings no key back at its end",
      "KS5",
      [...HELD, ROTATED, at(END), ring(9, { k2: ACTIVE, k1: OPENS })],
      nothing,
      ["k2"],
    ),
    timeline("a ring whose key has ended", "KS5", [...HELD, ring(8, { k1: ["active", TS] })], nothing),
    ...endsMoved(),
    timeline("no end is none, however late it is", "KS6", [...HELD, at(4_000_000_000_000)], seals("k1")),
  ];
}

/** An end that has passed wipes the subkeys; a newer state of the kid, or a clock that is set back, makes the process request them again. */
function endsMoved() {
  const both = [ring(7, { k1: ACTIVE, k0: OPENS }), grant("k1", 7, ACTIVE), grant("k0", 7, OPENS)];
  const ending = [ring(7, { k1: ["active", END] }), grant("k1", 7, ["active", END])];
  const longer = ["decrypt-only", LATER] as const;
  return [
    timeline(
      "a ring moves an end 1 ms before it comes",
      "KS5",
      [...both, at(END - 1), ring(8, { k1: ACTIVE, k0: longer }), at(END)],
      seals("k1", "k0"),
    ),
    timeline(
      "a ring moves an end that has come: the subkeys are gone",
      "KS5 KS20",
      [...both, at(END), ring(8, { k1: ACTIVE, k0: longer })],
      seals("k1"),
      ["k0"],
    ),
    timeline(
      "a ring takes an end away that has come: the subkeys are gone",
      "KS5 KS20",
      [...ending, at(END), ring(8, { k1: ACTIVE })],
      nothing,
      ["k1"],
    ),
    timeline(
      "a ring takes an end away that has come: a grant brings the subkeys",
      "KS5 KS15",
      [...ending, at(END), ring(8, { k1: ACTIVE }), grant("k1", 8, ACTIVE)],
      seals("k1"),
    ),
    pair(
      "a grant moves an end that has come: the subkeys of the other place are gone",
      "KS5 KS20",
      [ring(7, { k1: OPENS }), grant("k1", 7, OPENS), at(END), grant("k1", 8, longer, "embed")],
      [nothing, opens("k1")],
      ["k1 chat"],
    ),
    pair(
      "a grant takes an end away that has come, before a ring: the subkeys of the other place are gone",
      "KS5 KS19",
      [grant("k1", 7, ["active", END]), at(END), grant("k1", 8, ACTIVE, "embed")],
      [nothing, seals("k1")],
      [" chat"],
    ),
    timeline(
      "the clock is set back after an end has come: the subkeys are gone",
      "KS5 KS20",
      [...both, at(END), at(END - 1)],
      seals("k1"),
      ["k0"],
    ),
    timeline(
      "the clock is set back after the end of the active key: a grant brings it back",
      "KS5 KS15",
      [...ending, at(END), at(END - 1), grant("k1", 7, ["active", END])],
      seals("k1"),
    ),
  ];
}

export function ringsHeard() {
  const lost = { k1: ["compromised"], k2: ACTIVE } as const;
  return [
    timeline("a ring of the same generation is old", "KS7", [...HELD, ring(7, lost)], seals("k1")),
    timeline("a ring of a lower generation is old", "KS7", [...HELD, ring(6, lost)], seals("k1")),
    timeline("a ring of the next generation is obeyed", "KS7", [...HELD, ring(8, lost)], nothing, ["k2"]),
    timeline(
      "a ring below the generation of a grant is old, though it is the first",
      "KS8",
      [grant("k1", 7, ACTIVE), ring(6, lost)],
      seals("k1"),
    ),
    timeline(
      "a first ring of a grant's generation is obeyed",
      "KS8",
      [grant("k1", 7, ACTIVE), ring(7, lost)],
      nothing,
      ["k2"],
    ),
    timeline(
      "a first ring of a grant's generation names another active kid, which seals once it is held",
      "KS21",
      [grant("k1", 7, ACTIVE), ring(7, lost), grant("k2", 7, ACTIVE)],
      seals("k2"),
    ),
    timeline(
      "a first ring of a grant's generation names no active kid",
      "KS21",
      [grant("k1", 7, ACTIVE), ring(7, { k1: OPENS })],
      opens("k1"),
    ),
    timeline(
      "a ring above the one before, and below a grant, is old",
      "KS8",
      [ring(5, { k1: ACTIVE }), grant("k1", 7, ACTIVE), ring(6, lost)],
      seals("k1"),
    ),
    timeline(
      "the generation of a grant that was dropped counts",
      "KS8 KS14",
      [grant("k1", 7, ["active", TS]), ring(6, { k2: ACTIVE })],
      nothing,
      [""],
    ),
    timeline(
      "a ring gives a key an end",
      "KS9",
      [...HELD, ring(8, { k1: ["active", END] }), at(END)],
      nothing,
    ),
    timeline(
      "a ring gives a key an earlier end",
      "KS9",
      [...HELD, ring(8, { k1: ["decrypt-only", LATER] }), ring(9, { k1: OPENS }), at(END)],
      nothing,
    ),
    timeline(
      "a ring gives a key a later end",
      "KS9",
      [...HELD, ring(8, { k1: OPENS }), ring(9, { k1: ["decrypt-only", LATER] }), at(END)],
      opens("k1"),
    ),
    timeline(
      "a ring takes a key's end away",
      "KS9",
      [...HELD, ring(8, { k1: ["active", END] }), ring(9, { k1: ACTIVE }), at(END)],
      seals("k1"),
    ),
    timeline(
      "a ring takes the end away that a grant gave",
      "KS9",
      [grant("k1", 7, ["active", END]), ring(8, { k1: ACTIVE }), at(END)],
      seals("k1"),
    ),
    timeline(
      "a ring of a grant's generation takes the end away that the grant gave",
      "KS9",
      [grant("k1", 7, ["active", END]), ring(7, { k1: ACTIVE }), at(END)],
      seals("k1"),
    ),
    timeline(
      "a key that a ring does not name is wiped",
      "KS10",
      [...HELD, ring(8, { k2: ACTIVE })],
      nothing,
      ["k2"],
    ),
    timeline(
      "a key that was wiped while another was active is not back when a ring names it active again",
      "KS10 KS20",
      [...HELD, ring(8, { k2: ACTIVE }), ring(9, { k1: ACTIVE })],
      nothing,
      ["k1"],
    ),
    timeline(
      "a key that was wiped is not back when a ring names it again",
      "KS10 KS20",
      [...HELD, ring(8, {}), ring(9, { k1: ACTIVE })],
      nothing,
      ["k1"],
    ),
  ];
}
