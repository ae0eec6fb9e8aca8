const NAME_MAX = "a".repeat(64);

interface Names {
  readonly user?: string;
  readonly provider?: string;
  readonly intent?: string;
}

const CODES = [
  ...["BAD_REQUEST", "FORBIDDEN", "CONFLICT", "TOO_LARGE", "REFUSED", "BUSY", "ABORTED", "INTERNAL"],
  ...["HANDLER_FAILED", "BAD_ANSWER", "SWITCHED_OFF", "DISTRUSTED", "NO_KEYS", "NO_EPOCH", "NOT_READY"],
  ...["NO_RESPONDERS", "DISCONNECTED", "TIMEOUT"],
];

const ALL = { user: "orchestrator", provider: "openai", intent: "chat" } as const;
/** Every base of a subject, with its tokens in order. */
const BASES = [
  ...[
    "envelope.seal.request",
    "envelope.open.request",
    "envelope.seal.response",
    "envelope.open.response",
  ].map((base) => ({ base, tokens: ["user", "provider", "intent"] as const })),
  ...["keyring.grant", "replay.admit", "request", "fallback", "trust.tell", "outcome"].map((base) => ({
    base,
    tokens: ["user", "provider"] as const,
  })),
  ...[
    "keyring.ring.get",
    "replay.epoch.get",
    "security.read",
    "control.lease",
    "control.get",
    "audit.read",
  ].map((base) => ({ base, tokens: ["user"] as const })),
  ...["trust.word", "trust.get", "trust.last"].map((base) => ({ base, tokens: ["user"] as const })),
  ...["cancel", "security.nonce_reuse", "trust.nonce_reuse"].map((base) => ({
    base,
    tokens: ["provider"] as const,
  })),
  ...["keyring.ring", "replay.epoch", "control.state", "audit", "trust.state"].map((base) => ({
    base,
    tokens: [],
  })),
];

/** Subjects and their messages. */
export function subjects() {
  const one = (name: string, rule: string, is: string, subject: string, names: Names | null) => ({
    ...{ name, rules: [rule], is: `scbe.v1.${is}`, subject: `scbe.v1.${subject}`, names },
  });
  const both = { user: "orchestrator", provider: "openai" };
  const request = (name: string, rule: string, tokens: string, names: Names | null) =>
    one(name, rule, "request", `request.${tokens}`, names);
  return [
    one("one without tokens", "WS1", "replay.epoch", "replay.epoch", {}),
    one("one with a user", "WS1", "control.get", "control.get.gateway-openai", { user: "gateway-openai" }),
    one("one with a provider", "WS1", "cancel", "cancel.openai", { provider: "openai" }),
    request("one with user and provider", "WS1", "orchestrator.openai", both),
    one(
      "one with all three",
      "WS1",
      "envelope.seal.request",
      "envelope.seal.request.orchestrator.openai.chat",
      { ...both, intent: "chat" },
    ),
    ...BASES.map(({ base, tokens }) =>
      one(
        `each base: ${base}`,
        "WS1",
        base,
        [base, ...tokens.map((token) => ALL[token])].join("."),
        Object.fromEntries(tokens.map((token) => [token, ALL[token]])),
      ),
    ),
    request("a token too few", "WS1", "orchestrator", null),
    request("a dot behind the last token", "WS1", "orchestrator.openai.", null),
    request("a token too many", "WS1", "orchestrator.openai.chat", null),
    one("a token where there is none", "WS1", "replay.epoch", "replay.epoch.openai", null),
    one("one that begins like another", "WS1", "replay.epoch", "replay.epoch.get.orchestrator", null),
    one("another base", "WS1", "request", "fallback.orchestrator.openai", null),
    one("a base without a dot behind it", "WS1", "request", "requestx.orchestrator.openai", null),
    {
      ...request("another version", "WS1", "orchestrator.openai", null),
      subject: "scbe.v2.request.orchestrator.openai",
    },
    {
      ...request("in capitals", "WS1", "orchestrator.openai", null),
      subject: "SCBE.v1.request.orchestrator.openai",
    },
    {
      ...request("with a prefix", "WS1", "orchestrator.openai", null),
      subject: "a.scbe.v1.request.orchestrator.openai",
    },
    request("names of 64 characters", "WS2", `${NAME_MAX}.${NAME_MAX}`, {
      user: NAME_MAX,
      provider: NAME_MAX,
    }),
    request("names of one character", "WS2", "a.0", { user: "a", provider: "0" }),
    request("names with - and _", "WS2", "a-_.0_-", { user: "a-_", provider: "0_-" }),
    request("a user of 65 characters", "WS2", `${NAME_MAX}a.openai`, null),
    request("a provider of 65 characters", "WS2", `orchestrator.${NAME_MAX}a`, null),
    request("a provider in capitals", "WS2", "orchestrator.OpenAI", null),
    request("a user that begins with _", "WS2", "_orchestrator.openai", null),
    request("a provider that begins with -", "WS2", "orchestrator.-openai", null),
    request("an empty user", "WS2", ".openai", null),
    request("an empty provider", "WS2", "orchestrator.", null),
    request("a star", "WS2", "orchestrator.*", null),
    request("a greater-than sign", "WS2", "orchestrator.>", null),
    request("a name beyond ASCII", "WS2", "orchestrator.opénai", null),
    request("a provider with a line feed", "WS2", "orchestrator.openai\n", null),
    request("a user that is escaped", "WS2", "%6frchestrator.openai", null),
  ];
}

/** Reply subjects of requests. */
export function replies() {
  const roles = ["orchestrator", "gateway"];
  const one = (name: string, reply: string, ok: boolean) => ({
    ...{ name, rules: ["WS3"], reply, user: "orchestrator", roles, ok },
  });
  const own = "_INBOX.orchestrator.orchestrator";
  return [
    one("in the asker's own inbox", `${own}.x`, true),
    one("deeper in it", `${own}.x.y.z`, true),
    one("in that of another role with the same name", "_INBOX.gateway.orchestrator.x", true),
    one("in that of a role that may not ask", "_INBOX.operator.orchestrator.x", false),
    one("in another user's", "_INBOX.orchestrator.other.x", false),
    one("in that of a user whose name begins likewise", `${own}-2.x`, false),
    one("in that of a user whose name is its beginning", "_INBOX.orchestrator.orch.x", false),
    one("the inbox without a token more", own, false),
    one("with an empty token", `${own}.`, false),
    one("with an empty token before the last", `${own}..x`, false),
    one("with a star", `${own}.*`, false),
    one("with a star before the last", `${own}.*.x`, false),
    one("with a token that has a star", `${own}.x*`, true),
    one("with >", `${own}.>`, false),
    one("without a user", "_INBOX.orchestrator.x", false),
    one("a library's own inbox", "_INBOX.x", false),
    one("in another place", "scbe.v1.control.state", false),
    one("with another first token", "_inbox.orchestrator.orchestrator.x", false),
    one("in capitals", "_INBOX.ORCHESTRATOR.orchestrator.x", false),
    one("with another prefix", `x.${own}.x`, false),
    one("JetStream's", "$JS.API.STREAM.INFO.KV_SCBE_KEYRING", false),
    one("none", "", false),
  ];
}

type Headers = Readonly<Record<string, string>>;

/** Messages in answer to a request. */
export function answers() {
  const one = (name: string, rule: string, of: Headers, is: string, due = "sealed") => ({
    ...{ name, rules: [rule], headers: of, due, is },
  });
  const status = (value: string): Headers => ({ "scbe-status": value });
  const error = (code: string): Headers => ({
    "Nats-Service-Error": "why",
    "Nats-Service-Error-Code": "503",
    "scbe-error": code,
  });
  return [
    one("sealed", "WS10", status("sealed"), "answer"),
    one("unsealed to an unsealed request", "WS10", status("unsealed"), "answer", "unsealed"),
    one("unsealed to an envelope", "WS10", status("unsealed"), "none"),
    one("sealed to an unsealed request", "WS10", status("sealed"), "none", "unsealed"),
    one("accepted", "WS11", status("accepted"), "accepted"),
    one("busy", "WS11", status("busy"), "busy"),
    one("refused", "WS11", status("refused"), "refused"),
    one("sealed, beside an error", "WS11", { ...status("sealed"), ...error("INTERNAL") }, "answer"),
    one("accepted, beside an error", "WS11", { ...status("accepted"), ...error("INTERNAL") }, "accepted"),
    one("busy, beside an error", "WS11", { ...status("busy"), ...error("INTERNAL") }, "busy"),
    one("refused, beside an error", "WS11", { ...status("refused"), ...error("BUSY") }, "refused"),
    one("opened", "WS12", status("opened"), "none"),
    one("a status in capitals", "WS12", status("SEALED"), "none"),
    one("a status that is not known", "WS12", status("later"), "none"),
    one("an empty status", "WS12", status(""), "none"),
    one("no header", "WS12", {}, "none"),
    one(
      "a status that is not known, beside an error",
      "WS12",
      { ...status("later"), ...error("NO_KEYS") },
      "not_ready",
    ),
    one(
      "unsealed to an envelope, beside an error",
      "WS12",
      { ...status("unsealed"), ...error("BUSY") },
      "busy",
    ),
    one("an error", "WS12", error("NOT_READY"), "not_ready"),
    one("BUSY", "WS15", error("BUSY"), "busy"),
    one("SWITCHED_OFF", "WS15", error("SWITCHED_OFF"), "switched_off"),
    one("INTERNAL", "WS15", error("INTERNAL"), "internal"),
    one("NO_KEYS", "WS15", error("NO_KEYS"), "not_ready"),
    one("REFUSED", "WS15", error("REFUSED"), "not_ready"),
    one("BAD_REQUEST", "WS15", error("BAD_REQUEST"), "not_ready"),
    one("TIMEOUT", "WS15", error("TIMEOUT"), "not_ready"),
    one("HANDLER_FAILED", "WS15", error("HANDLER_FAILED"), "not_ready"),
    one("a code that is not known", "WS15", error("NEW"), "internal"),
  ];
}

/** Errors that answers carry. */
export function errors() {
  const one = (name: string, rule: string, of: Headers, code: string | null) => ({
    ...{ name, rules: [rule], headers: of, code },
  });
  const number = { "Nats-Service-Error-Code": "429" };
  return [
    one("all three", "WS13", { "Nats-Service-Error": "why", ...number, "scbe-error": "BUSY" }, "BUSY"),
    one("the code alone", "WS13", { "scbe-error": "BUSY" }, "BUSY"),
    one("the text alone", "WS13", { "Nats-Service-Error": "why" }, "INTERNAL"),
    one("an empty text", "WS13", { "Nats-Service-Error": "" }, "INTERNAL"),
    one("the number alone", "WS13", number, null),
    one("none", "WS13", {}, null),
    one("a status", "WS13", { "scbe-status": "busy" }, null),
    one(
      "a number of another code",
      "WS14",
      { "Nats-Service-Error": "why", ...number, "scbe-error": "NO_KEYS" },
      "NO_KEYS",
    ),
    one("text and number without a code", "WS14", { "Nats-Service-Error": "why", ...number }, "INTERNAL"),
    one("a code that is not known", "WS14", { "scbe-error": "NEW" }, "INTERNAL"),
    one("a code in lower case", "WS14", { "scbe-error": "busy" }, "INTERNAL"),
    one("an empty code", "WS14", { "scbe-error": "" }, "INTERNAL"),
    one("a code that every object has", "WS14", { "scbe-error": "constructor" }, "INTERNAL"),
    ...CODES.map((code) => one(`the code ${code}`, "WS14", { "scbe-error": code }, code)),
  ];
}
