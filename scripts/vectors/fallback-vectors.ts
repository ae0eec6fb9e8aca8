import { type Change, documentOf, KILL, killing, READER, SOFT } from "./control-reference.ts";
import {
  type Asked,
  AVAILABILITY,
  FLAGGED,
  FLAGS,
  ITS_OFF,
  KILLED,
  OFF,
  ON_EDGE,
  refused,
  routes,
  SEALED,
  send,
  shared,
  UNSEALED,
  UNSEALING,
  vector,
} from "./route-vectors.ts";

/** The treatment of requests and responses, by the document that a process holds. */
export function fallbacks() {
  return { ...READER, vectors: [...routes(), ...sent(), ...opened(), ...served(), ...answered()] };
}

function sent(): object[] {
  const [unknown, stale] = [refused("unknown", "NOT_READY"), refused("stale", "NOT_READY")];
  return [
    send("FB2 FB9", "unsealed where that is not permitted: a kill", UNSEALING, KILLED, { permitted: false }),
    send("FB2 FB9", "unsealed where that is not permitted: flags", { ...OFF, ...FLAGS }, FLAGGED, {
      permitted: false,
    }),
    send("LT5 FB9", "no document is held", null, unknown, { lease: "none" }),
    send("LT5", "a document without a lease", UNSEALING, unknown, { lease: "none" }),
    send("LT5 RT1", "a kill, before the first lease (order)", killing(KILL), unknown, { lease: "none" }),
    send("LT5 RT6", "flags that are off, before the first lease (order)", OFF, unknown, { lease: "none" }),
    send(
      "LT5 FB2",
      "unsealed where that is not permitted, before the first lease (order)",
      UNSEALING,
      unknown,
      {
        ...{ lease: "none", permitted: false },
      },
    ),
    send("LT7", "stale under hold: sealed", {}, SEALED, { lease: "over" }),
    send("LT7", "stale under hold: unsealed", UNSEALING, UNSEALED, { lease: "over" }),
    send("LT7 FB9", "stale under hold: a kill", killing(KILL), KILLED, { lease: "over" }),
    send("LT8 FB9", "stale under refuse: sealed", {}, stale, { lease: "over", policy: "refuse" }),
    send("LT8", "stale under refuse: unsealed", UNSEALING, stale, { lease: "over", policy: "refuse" }),
    send("LT8 RT1", "stale under refuse: a kill (order)", killing(KILL), stale, {
      ...{ lease: "over", policy: "refuse" },
    }),
    send("LT8 FB2", "stale under refuse: unsealed where that is not permitted (order)", UNSEALING, stale, {
      ...{ lease: "over", policy: "refuse", permitted: false },
    }),
  ];
}

/** A sealed request or response has arrived, and is to be opened. */
function opened(): object[] {
  const open = (
    rules: string,
    name: string,
    change: Change | null,
    phase: string,
    outcome: string,
    asked: Asked = {},
  ) =>
    vector(
      rules,
      name,
      { ...asked, document: change && documentOf(change) },
      { does: "open", phase },
      { outcome },
    );
  return [
    open("RT10", "a request, and nothing is off", {}, "request", "opened"),
    open("FB5", "a request, where the document says fallback by a kill", UNSEALING, "request", "refused"),
    open(
      "FB5",
      "a request, where the document says fallback by flags",
      { ...OFF, ...FLAGS },
      "request",
      "refused",
    ),
    open("RT8", "a request outside of its share", shared(25), "request", "refused", { request_id: ON_EDGE }),
    open("RT8", "a request inside of its share", shared(26), "request", "opened", { request_id: ON_EDGE }),
    open("RT1", "a request under a kill", killing(KILL), "request", "refused"),
    open("RT11", "a response, and flags are off", OFF, "response", "opened"),
    open(
      "RT11",
      "a response, and its flag is off, which goes unsealed",
      { ...ITS_OFF, ...FLAGS },
      "response",
      "opened",
    ),
    open("RT11", "a response to a request outside of its share", shared(25), "response", "opened", {
      request_id: ON_EDGE,
    }),
    open("RT11", "a response under a kill that refuses", killing(KILL), "response", "refused"),
    open("RT11", "a response under a kill that sends unsealed", UNSEALING, "response", "refused"),
    open(
      "RT11",
      "a response under its provider's kill",
      killing(null, { openai: SOFT }),
      "response",
      "refused",
    ),
    open(
      "RT2",
      "a response under another provider's kill",
      killing(null, { openai: KILL }),
      "response",
      "opened",
      { provider: "xai" },
    ),
    ...["request", "response"].flatMap((phase) => [
      open("LT5", `a ${phase}, no document is held`, null, phase, "refused", { lease: "none" }),
      open("LT5", `a ${phase}, before the first lease`, {}, phase, "refused", { lease: "none" }),
      open("LT7", `a ${phase}, stale under hold`, {}, phase, "opened", { lease: "over" }),
      open("LT8", `a ${phase}, stale under refuse`, {}, phase, "refused", {
        lease: "over",
        policy: "refuse",
      }),
    ]),
  ];
}

/** An unsealed request has arrived at a gateway. */
function served(): object[] {
  const serve = (
    rules: string,
    name: string,
    change: Change | null,
    error: "SWITCHED_OFF" | "NOT_READY" | undefined,
    asked: Asked = {},
  ) => {
    const outcome = error === undefined ? { outcome: "taken" } : { outcome: "refused", error };
    return vector(
      rules,
      `an unsealed request, ${name}`,
      { ...asked, document: change && documentOf(change) },
      { does: "serve" },
      outcome,
    );
  };
  return [
    serve("FB3", "where the document says fallback", UNSEALING, undefined),
    serve("FB3", "where the document says sealed", {}, "SWITCHED_OFF"),
    serve("FB3", "where the document says refused", killing(KILL), "SWITCHED_OFF"),
    serve("FB3", "of a request inside of its share", { ...shared(26), ...FLAGS }, "SWITCHED_OFF", {
      request_id: ON_EDGE,
    }),
    serve("FB3", "of a request outside of its share", { ...shared(25), ...FLAGS }, undefined, {
      request_id: ON_EDGE,
    }),
    serve(
      "FB3",
      "of another provider than the one that is killed",
      { ...killing(null, { openai: SOFT }), ...AVAILABILITY },
      "SWITCHED_OFF",
      { provider: "xai" },
    ),
    serve("FB4", "where that is not permitted", UNSEALING, "SWITCHED_OFF", { permitted: false }),
    serve(
      "FB4 FB10",
      "where that is not permitted, before the first lease (order)",
      UNSEALING,
      "SWITCHED_OFF",
      {
        ...{ lease: "none", permitted: false },
      },
    ),
    serve("FB10", "no document is held", null, "NOT_READY", { lease: "none" }),
    serve("FB10", "before the first lease", UNSEALING, "NOT_READY", { lease: "none" }),
    serve(
      "FB10 FB3",
      "before the first lease, and the document says refused (order)",
      killing(KILL),
      "NOT_READY",
      {
        lease: "none",
      },
    ),
    serve("FB3 LT7", "stale under hold, and the document says refused", killing(KILL), "SWITCHED_OFF", {
      lease: "over",
    }),
    serve("LT7", "stale under hold", UNSEALING, undefined, { lease: "over" }),
    serve("FB10", "stale under refuse", UNSEALING, "NOT_READY", { lease: "over", policy: "refuse" }),
    serve("FB10 FB3", "stale under refuse, and the document says sealed (order)", {}, "NOT_READY", {
      ...{ lease: "over", policy: "refuse" },
    }),
  ];
}

/** An answer has arrived. */
function answered(): object[] {
  const answer = (
    rules: string,
    name: string,
    change: Change,
    way: string,
    status: string,
    outcome: string,
    reader: object = {},
  ) =>
    vector(
      rules,
      name,
      { document: documentOf(change), ...reader },
      { does: "answer", way, status },
      { outcome },
    );
  const stale = { lease: "over", policy: "refuse" };
  return [
    answer("FB6", "a sealed answer to a sealed request", {}, "sealed", "sealed", "taken"),
    answer("FB6", "an unsealed answer to a sealed request", {}, "sealed", "unsealed", "ignored"),
    answer("FB7", "an unsealed answer to an unsealed request", UNSEALING, "fallback", "unsealed", "taken"),
    answer("FB7", "a sealed answer to an unsealed request", UNSEALING, "fallback", "sealed", "ignored"),
    answer("FB8", "an unsealed answer, after the kill has ended", {}, "fallback", "unsealed", "taken"),
    answer(
      "FB8",
      "an unsealed answer, after a kill that refuses",
      killing(KILL),
      "fallback",
      "unsealed",
      "ignored",
    ),
    answer(
      "FB8 LT8",
      "an unsealed answer, stale under refuse",
      UNSEALING,
      "fallback",
      "unsealed",
      "ignored",
      stale,
    ),
    answer("FB8 LT7", "an unsealed answer, stale under hold", UNSEALING, "fallback", "unsealed", "taken", {
      lease: "over",
    }),
    answer("LT8", "a sealed answer, stale under refuse", {}, "sealed", "sealed", "ignored", stale),
    answer("LT7", "a sealed answer, stale under hold", {}, "sealed", "sealed", "taken", { lease: "over" }),
    answer("RT11", "a sealed answer, after flags were switched off", OFF, "sealed", "sealed", "taken"),
    answer(
      "RT11",
      "a sealed answer, after a kill that sends unsealed",
      UNSEALING,
      "sealed",
      "sealed",
      "ignored",
    ),
  ];
}
