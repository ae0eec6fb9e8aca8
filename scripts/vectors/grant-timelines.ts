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

export function grantsRead() {
  return [
    timeline("a grant of the lowest generation", "KS12", [grant("k1", 1, ACTIVE)], seals("k1")),
    timeline(
      "a grant below the ring: the ring's state holds",
      "KS11",
      [ROTATED, grant("k1", 7, ACTIVE)],
      opens("k1"),
      ["k2"],
    ),
    timeline(
      "a grant below the ring: the ring's end holds",
      "KS11",
      [ROTATED, grant("k1", 7, ACTIVE), at(END)],
      nothing,
      ["k2"],
    ),
    timeline(
      "a grant of the ring's generation: the ring's end holds",
      "KS11",
      [ring(8, { k1: ["active", END] }), grant("k1", 8, ACTIVE), at(END)],
      nothing,
    ),
    timeline(
      "a grant of the ring's generation: the ring's later end holds",
      "KS11",
      [ring(8, { k1: ACTIVE }), grant("k1", 8, ["active", END]), at(END)],
      seals("k1"),
    ),
    timeline(
      "a grant below the ring, which does not name its kid",
      "KS11",
      [ring(8, { k2: ACTIVE }), grant("k1", 7, ACTIVE)],
      nothing,
      ["k2"],
    ),
    timeline(
      "a grant of the ring's generation, and the ring does not name its kid",
      "KS11",
      [ring(8, { k2: ACTIVE }), grant("k1", 8, ACTIVE)],
      nothing,
      ["k2"],
    ),
    timeline(
      "a grant below the ring, by which its kid is compromised",
      "KS11 KS14",
      [ring(8, { k1: ["compromised"] }), grant("k1", 7, ACTIVE)],
      nothing,
    ),
    timeline(
      "a grant above the ring brings another active key",
      "KS12",
      [...HELD, grant("k2", 8, ACTIVE)],
      seals("k2", "k1"),
    ),
    timeline(
      "a grant above the ring, which does not name its kid",
      "KS12",
      [ring(7, {}), grant("k1", 8, OPENS)],
      opens("k1"),
    ),
    pair(
      "a grant above the ring gives its key an end everywhere",
      "KS12",
      [...HELD, grant("k1", 8, OPENS, "embed"), at(END)],
      [nothing, nothing],
    ),
    pair(
      "a grant above the ring gives its key a later end everywhere",
      "KS12",
      [
        ring(7, { k1: OPENS }),
        grant("k1", 7, OPENS),
        grant("k1", 8, ["decrypt-only", LATER], "embed"),
        at(END),
      ],
      [opens("k1"), opens("k1")],
    ),
    pair(
      "a grant below another one: the newer word on the kid holds",
      "KS13",
      [grant("k1", 8, OPENS), grant("k1", 7, ACTIVE, "embed"), at(END)],
      [nothing, nothing],
      [" chat", " embed"],
    ),
    pair(
      "a grant of another one's generation: the word that came first holds",
      "KS13",
      [grant("k1", 8, OPENS), grant("k1", 8, ACTIVE, "embed"), at(END)],
      [nothing, nothing],
      [" chat", " embed"],
    ),
    pair(
      "a grant above the ring and below another one: the newer word on the kid holds",
      "KS13",
      [ring(6, { k1: ACTIVE }), grant("k1", 8, OPENS), grant("k1", 7, ACTIVE, "embed"), at(END)],
      [nothing, nothing],
    ),
    timeline("a grant whose end has come is dropped", "KS14", [grant("k1", 7, ["active", TS])], nothing, [
      "",
    ]),
    timeline(
      "a grant 1 ms before its end is held",
      "KS14",
      [grant("k1", 7, ["active", TS + 1])],
      seals("k1"),
    ),
    timeline(
      "a grant whose end has come, by the ring it has not: it is held",
      "KS14 KS11",
      [ring(7, { k1: ACTIVE }), grant("k1", 7, ["active", TS])],
      seals("k1"),
    ),
    pair(
      "a grant whose end has come: its kid opens nothing at the other place",
      "KS14 KS12",
      [grant("k1", 7, ACTIVE), grant("k1", 8, ["active", TS], "embed")],
      [nothing, nothing],
      [" chat", " embed"],
    ),
    pair(
      "a grant whose end has come wipes its kid at the other place: a newer ring brings nothing back",
      "KS14",
      [grant("k1", 7, ACTIVE), grant("k1", 8, ["active", TS], "embed"), ring(9, { k1: ACTIVE })],
      [nothing, nothing],
      ["k1 chat", "k1 embed"],
    ),
    timeline(
      "a grant whose end has come wipes its kid at its own place: a newer ring brings nothing back",
      "KS14",
      [...HELD, grant("k1", 8, ["active", TS]), ring(9, { k1: ACTIVE })],
      nothing,
      ["k1"],
    ),
    timeline(
      "a grant whose end has come, by a newer grant's word: a newer ring brings nothing back",
      "KS14 KS13",
      [...HELD, grant("k1", 9, ["active", TS]), grant("k1", 8, ACTIVE), ring(10, { k1: ACTIVE })],
      nothing,
      ["k1"],
    ),
    ...activeByGrants(),
  ];
}

/** Which grants set the active kid. After its end, no former key is used (KS17), which shows the kid. */
function activeByGrants() {
  const both = ring(8, { k1: ACTIVE, k2: OPENS });
  return [
    timeline(
      "a grant of the ring's generation does not set the active kid",
      "KS22 KS11",
      [both, grant("k2", 8, ACTIVE), grant("k1", 8, ACTIVE), at(END)],
      seals("k1"),
    ),
    timeline(
      "a grant below the ring does not set the active kid",
      "KS22 KS11",
      [both, grant("k2", 7, ACTIVE), grant("k1", 7, ACTIVE), at(END)],
      seals("k1"),
    ),
    timeline(
      "a grant whose word does not stand does not set the active kid",
      "KS22 KS13",
      [grant("k1", 5, ACTIVE), grant("k2", 8, OPENS), grant("k2", 7, ACTIVE), at(END)],
      seals("k1"),
    ),
    timeline(
      "a decrypt-only grant does not set the active kid",
      "KS22",
      [...HELD, grant("k2", 8, OPENS), at(END)],
      seals("k1"),
    ),
    timeline(
      "a grant above the ring, and below the grant that set the active kid, does not set it",
      "KS22",
      [...HELD, grant("k2", 9, ACTIVE), grant("k3", 8, ACTIVE)],
      seals("k2", "k1", "k3"),
    ),
    timeline(
      "a grant above the grant that set the active kid sets it",
      "KS22",
      [...HELD, grant("k2", 8, ACTIVE), grant("k3", 9, ACTIVE)],
      seals("k3", "k1", "k2"),
    ),
    timeline(
      "of two grants of one generation above the ring the first one's key seals",
      "KS22",
      [...HELD, grant("k2", 8, ACTIVE), grant("k3", 8, ACTIVE)],
      seals("k2", "k1", "k3"),
    ),
    timeline(
      "a grant whose end has come sets the active kid: the former key does not go on",
      "KS22 KS14 KS17",
      [...HELD, grant("k2", 8, ["active", TS])],
      opens("k1"),
    ),
  ];
}
