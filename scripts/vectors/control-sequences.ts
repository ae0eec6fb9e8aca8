import {
  type Change,
  choosing,
  type Document,
  documentOf,
  KILL,
  killing,
  SOFT,
  STRANGER,
  signedOtherwise,
} from "./control-reference.ts";
import { TS } from "./fixed.ts";

type Outcome = "applied" | "old" | "signature" | "malformed" | "env";
type Step = readonly [document: Document, outcome: Outcome];

/** Messages in the order in which a reader gets them, and the document in force at the end. */
export function sequences(): object[] {
  const [plain, later] = [documentOf(), documentOf({ generation: TS + 1 })];
  const killed = documentOf(killing(KILL));
  const highest = documentOf({ generation: 9e15 });
  const forged = documentOf({ generation: TS + 1, ...killing(KILL) }, { by: STRANGER });
  const beyond = documentOf({ generation: 2 ** 53 - 1 });
  return [
    sequence("the first one", "TB1", [[plain, "applied"]]),
    sequence("the generation that is stored", "TB1", [[plain, "applied"]], TS),
    sequence("one generation below the stored one", "TB1", [[plain, "old"]], TS + 1),
    sequence("below the stored generation, though it kills", "TB1", [[killed, "old"]], TS + 1),
    sequence("a later one", "TB2", [
      [plain, "applied"],
      [later, "applied"],
    ]),
    sequence("a later one, that ends a kill", "TB2", [
      [killed, "applied"],
      [later, "applied"],
    ]),
    sequence("an earlier one", "TB2", [
      [later, "applied"],
      [plain, "old"],
    ]),
    sequence("an earlier one, though it kills", "TB2", [
      [later, "applied"],
      [killed, "old"],
    ]),
    sequence("a generation that is longer as a text", "TB2", [
      [documentOf({ generation: 9 }), "applied"],
      [documentOf({ generation: 10 }), "applied"],
      [documentOf({ generation: 9 }), "old"],
    ]),
    sequence("the highest generation, and none after it", "TB2", [
      [highest, "applied"],
      [beyond, "malformed"],
      [later, "old"],
    ]),
    sequence("the same one again", "TB9", [
      [plain, "applied"],
      [plain, "old"],
    ]),
    sequence("the same one under another signature of the controller's", "TB9", [
      [plain, "applied"],
      [{ ...plain, message: signedOtherwise(plain.payload) }, "old"],
    ]),
    sequence("under that other signature alone", "TB9", [
      [{ ...plain, message: signedOtherwise(plain.payload) }, "applied"],
    ]),
    sequence("an earlier one comes back", "TB2", [
      [plain, "applied"],
      [later, "applied"],
      [plain, "old"],
      [later, "old"],
    ]),
    sequence("a forged one in between changes nothing", "CD6", [
      [plain, "applied"],
      [forged, "signature"],
      [later, "applied"],
    ]),
    sequence("what is no message in between changes nothing", "CD1", [
      [plain, "applied"],
      [{ ...later, message: `${later.message} ` }, "malformed"],
      [later, "applied"],
    ]),
    sequence("a forged one does not raise the generation", "CD6", [
      [documentOf({ generation: TS + 7 }, { by: STRANGER }), "signature"],
      [plain, "applied"],
    ]),
    ...ties(),
  ];
}

/** Two of one generation, in both orders. A later rule always decides the other way, so that a missing rule shows. */
function ties(): object[] {
  const chosen = choosing("availability");
  const both = choosing("availability", "flags");
  return [
    ...tie("a kill of everything that refuses, and two of providers", "TB3", {
      winner: killing(KILL),
      loser: killing(null, { openai: KILL, xai: KILL }),
    }),
    ...tie("a kill of everything that refuses, and one that does not with two of providers that do", "TB3", {
      winner: { ...killing({ ...SOFT, cause: "integrity" }), ...both },
      loser: { ...killing(SOFT, { openai: KILL, xai: KILL }), ...chosen },
    }),
    ...tie("one provider's kill that refuses, and a kill of everything that sends unsealed", "TB4", {
      winner: { ...killing(null, { openai: KILL }), ...both },
      loser: { ...killing(SOFT, { openai: SOFT, xai: SOFT }), ...chosen },
    }),
    ...tie("one provider's kill that refuses, and two that send unsealed", "TB4", {
      winner: { ...killing(null, { openai: KILL }), ...both },
      loser: { ...killing(null, { openai: SOFT, xai: SOFT }), ...chosen },
    }),
    ...tie("kills for availability, which refuse where the choice does not name it", "TB4", {
      winner: killing(null, { openai: SOFT }),
      loser: { ...killing(null, { openai: SOFT, xai: SOFT }), ...chosen },
    }),
    ...tie("two kills of providers that refuse, and one", "TB4", {
      winner: { ...killing(null, { openai: KILL, xai: KILL }), ...both },
      loser: { ...killing(null, { openai: KILL, google: SOFT, groq: SOFT }), ...chosen },
    }),
    ...tie("a kill of everything that sends unsealed, and two of providers that do", "TB5", {
      winner: { ...killing(SOFT), ...both },
      loser: { ...killing(null, { openai: SOFT, xai: SOFT }), ...chosen },
    }),
    ...tie("two kills of providers that send unsealed, and one", "TB6", {
      winner: { ...killing(null, { openai: SOFT, xai: SOFT }), ...both },
      loser: { ...killing(null, { openai: SOFT }), ...chosen },
    }),
    ...tie("a kill, and none", "TB4", { winner: { ...killing(null, { openai: KILL }), ...both }, loser: {} }),
    ...tie("one cause that sends unsealed, and two", "TB7", { winner: chosen, loser: both }),
    ...tie("no cause that sends unsealed, and one", "TB7", { winner: {}, loser: choosing("flags") }),
    ...digestTies(),
  ];
}

function tie(name: string, rule: string, { winner, loser }: { winner: Change; loser: Change }): object[] {
  const losing = documentOf(loser);
  return inBothOrders(
    name,
    rule,
    find(winner, (it) => it.digest < losing.digest),
    losing,
  );
}

/** By the digest as an ASCII text: not by its bytes, and with regard to case. */
function digestTies(): object[] {
  const starting = (first: RegExp) => find({}, ({ digest }) => first.test(digest));
  const pairs = [
    ["a lower-case letter, and a digit", /^[a-z]/, /^[0-9]/],
    ["a lower-case letter, and an upper-case one later in the alphabet", /^[a-m]/, /^[N-Z]/],
    ["an underscore, and an upper-case letter", /^_/, /^[A-Z]/],
    ["a digit, and a hyphen", /^[0-9]/, /^-/],
  ] as const;
  return pairs.flatMap(([name, winner, loser]) =>
    inBothOrders(`digests that begin with ${name}`, "TB8", starting(winner), starting(loser)),
  );
}

function inBothOrders(name: string, rule: string, winner: Document, loser: Document): object[] {
  return [
    sequence(`${name}: in this order`, rule, [
      [winner, "applied"],
      [loser, "old"],
    ]),
    sequence(`${name}: in the other order`, rule, [
      [loser, "applied"],
      [winner, "applied"],
    ]),
  ];
}

/** The change, issued at a time that gives the document the wanted property. */
function find(change: Change, isWanted: (document: Document) => boolean): Document {
  for (let at = 0; at < 10_000; at += 1) {
    const document = documentOf({ ...change, issued_at: TS + at });
    if (isWanted(document)) return document;
  }
  throw new Error("no document of the vectors is as wanted");
}

function sequence(name: string, rule: string, steps: readonly Step[], stored = 0): object {
  const last = steps.findLast(([, outcome]) => outcome === "applied")?.[0];
  return {
    ...{ name, rules: [rule], stored_generation: stored },
    steps: steps.map(([{ message }, outcome]) => ({ message, outcome })),
    in_force: last?.digest ?? null,
  };
}

/** Seconds of skew that an opener allows. */
export function skewWindows(): object[] {
  const bounds = { usual: 120, limit: 400 };
  const of = (
    rule: string,
    name: string,
    seconds: number | null,
    now: number,
    allowed: number | null,
    own = bounds,
  ) => {
    const skew_window = seconds === null ? null : { seconds, until: TS, reason: "a test" };
    return {
      name: `skew: ${name}`,
      rules: rule.split(" "),
      document: documentOf({ skew_window }).message,
      ...own,
      now,
      allowed,
    };
  };
  return [
    {
      name: "skew: no document is held",
      rules: ["SK1"],
      document: null,
      ...bounds,
      now: TS - 1,
      allowed: 120,
    },
    of("SK1", "no window", null, TS - 1, 120),
    of("SK2", "1 ms before its end", 300, TS - 1, 300),
    of("SK2", "at its end", 300, TS, 120),
    of("SK2", "after its end", 300, TS + 1, 120),
    of("SK3", "a window of 1 second", 1, TS - 1, 120),
    of("SK3", "a window of 1 second less than is usual", 119, TS - 1, 120),
    of("SK3", "a window of 1 second more than is usual", 121, TS - 1, 121),
    of("SK4", "a window of the limit", 400, TS - 1, 400),
    of("SK4", "a window of 1 second more than the limit", 401, TS - 1, 400),
    of("SK4", "the widest window", 600, TS - 1, 400),
    of("SK4 SK5", "as much as the limit is usual", 600, TS - 1, 400, { usual: 400, limit: 400 }),
    of("SK5", "1 second more than the limit is usual", null, TS - 1, null, { usual: 401, limit: 400 }),
    of("SK5", "more than the limit is usual, and a window lasts", 600, TS - 1, null, {
      usual: 500,
      limit: 400,
    }),
  ];
}
