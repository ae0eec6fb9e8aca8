import { ACCESS, ACCESS_WITH_FALLBACK, type AccessTable, BUCKETS, SUBJECTS } from "@scbe/contracts";
import {
  connectProbe,
  connectRawStore,
  natsVersions,
  type Probe,
  type SecuredNats,
  startSecuredNats,
} from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/** The rights of one user: subjects with NATS wildcards. A queue group after a subject allows only that group. */
interface Rights {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

const PROVIDERS = ["openai", "anthropic"];
/** One subject for each provider, with the user's name if given. */
const each = (prefix: string, providers = PROVIDERS, user?: string): string[] =>
  providers.map((provider) => [prefix, ...(user === undefined ? [] : [user]), provider].join("."));
const inbox = (role: string, user = role): string => `_INBOX.${role}.${user}.>`;
/** The inboxes of all users of a role. */
const inboxesOf = (...roles: string[]): string[] => roles.map((role) => `_INBOX.${role}.*.>`);
const announces = (user: string): string[] =>
  ["PING", "INFO", "STATS"].flatMap((verb) => [
    `$SRV.${verb}`,
    `$SRV.${verb}.${user}`,
    `$SRV.${verb}.${user}.*`,
  ]);

/** A process that seals or opens: it requests keys and leases, and receives and requests ring, control document and trust. */
const verifier = (user: string, providers: string[]): Rights => ({
  publish: [
    ...each("scbe.v1.keyring.grant", providers, user),
    `scbe.v1.keyring.ring.get.${user}`,
    `scbe.v1.control.lease.${user}`,
    `scbe.v1.control.get.${user}`,
    `scbe.v1.trust.get.${user}`,
    `scbe.v1.trust.last.${user}`,
  ],
  subscribe: ["scbe.v1.keyring.ring", "scbe.v1.control.state", "scbe.v1.trust.state"],
});

/**
 * The rights of docs/access.md, written by hand. Nothing here comes from the access table or its translation to permissions, so
 * a row with too many rights fails here, and so does a translation that grants too many.
 */
const MAY: Readonly<Record<string, Rights>> = {
  keyring: {
    publish: ["scbe.v1.keyring.ring", ...inboxesOf("envelope", "orchestrator", "gateway", "operator")],
    subscribe: [
      inbox("keyring"),
      "scbe.v1.keyring.ring",
      "scbe.v1.keyring.grant.*.* keyring",
      "scbe.v1.keyring.ring.get.* keyring",
      ...announces("keyring"),
    ],
  },
  envelope: {
    publish: [
      ...verifier("envelope", PROVIDERS).publish,
      ...each("scbe.v1.replay.admit", PROVIDERS, "envelope"),
      "scbe.v1.replay.epoch.get.envelope",
      ...inboxesOf("orchestrator", "gateway", "operator"),
    ],
    subscribe: [
      inbox("envelope"),
      ...verifier("envelope", PROVIDERS).subscribe,
      "scbe.v1.replay.epoch",
      "scbe.v1.envelope.seal.request.*.*.* envelope",
      "scbe.v1.envelope.open.request.*.*.* envelope",
      "scbe.v1.envelope.seal.response.*.*.* envelope",
      "scbe.v1.envelope.open.response.*.*.* envelope",
      ...announces("envelope"),
    ],
  },
  "replay-guard": {
    publish: [
      "scbe.v1.replay.epoch",
      ...each("scbe.v1.security.nonce_reuse"),
      ...inboxesOf("envelope", "rollback-controller", "trust-scorer", "orchestrator", "gateway", "operator"),
    ],
    subscribe: [
      inbox("replay-guard"),
      "scbe.v1.keyring.ring",
      "scbe.v1.replay.epoch",
      "scbe.v1.replay.admit.*.* replay-guard",
      "scbe.v1.replay.epoch.get.* replay-guard",
      "scbe.v1.security.read.* replay-guard",
      ...announces("replay-guard"),
    ],
  },
  "rollback-controller": {
    publish: [
      "scbe.v1.control.state",
      "scbe.v1.security.read.rollback-controller",
      "scbe.v1.trust.get.rollback-controller",
      "scbe.v1.trust.word.rollback-controller",
      ...inboxesOf("envelope", "orchestrator", "gateway", "operator"),
    ],
    subscribe: [
      inbox("rollback-controller"),
      "scbe.v1.keyring.ring",
      "scbe.v1.control.state",
      "scbe.v1.trust.state",
      ...each("scbe.v1.security.nonce_reuse"),
      "scbe.v1.control.lease.* rollback-controller",
      "scbe.v1.control.get.* rollback-controller",
      "scbe.v1.audit.read.* rollback-controller",
      "scbe.v1.trust.last.* rollback-controller",
      ...announces("rollback-controller"),
    ],
  },
  "trust-scorer": {
    publish: [
      "scbe.v1.trust.state",
      "scbe.v1.security.read.trust-scorer",
      ...inboxesOf("envelope", "rollback-controller", "orchestrator", "gateway", "operator"),
    ],
    subscribe: [
      inbox("trust-scorer"),
      "scbe.v1.keyring.ring",
      "scbe.v1.trust.tell.*.* trust-scorer",
      "scbe.v1.trust.word.* trust-scorer",
      "scbe.v1.trust.get.* trust-scorer",
      ...announces("trust-scorer"),
    ],
  },
  orchestrator: orchestratorOf("orchestrator", PROVIDERS),
  "narrow-orchestrator": orchestratorOf("narrow-orchestrator", ["anthropic"], "chat"),
  "gateway-openai": gatewayOf("openai"),
  "gateway-anthropic": gatewayOf("anthropic"),
  operator: {
    publish: [
      "scbe.v1.control.state",
      "scbe.v1.control.get.operator",
      "scbe.v1.audit.read.operator",
      "scbe.v1.security.read.operator",
      "$SRV.>",
      ...inboxesOf("envelope", "orchestrator", "gateway", "operator"),
    ],
    subscribe: [inbox("operator"), "scbe.v1.control.get.* operator", ...announces("operator")],
  },
};

function orchestratorOf(name: string, providers: string[], intent = "*"): Rights {
  return {
    publish: [
      ...verifier(name, providers).publish,
      ...each("scbe.v1.request", providers, name),
      ...each("scbe.v1.cancel", providers),
      `scbe.v1.replay.epoch.get.${name}`,
      ...each("scbe.v1.envelope.seal.request", providers, name).map((subject) => `${subject}.${intent}`),
      ...each("scbe.v1.envelope.open.response", providers, name).map((subject) => `${subject}.${intent}`),
      ...each("scbe.v1.trust.tell", providers, name),
    ],
    subscribe: [inbox("orchestrator", name), ...verifier(name, providers).subscribe, "scbe.v1.replay.epoch"],
  };
}

function gatewayOf(provider: string): Rights {
  const name = `gateway-${provider}`;
  return {
    publish: [
      ...verifier(name, [provider]).publish,
      `scbe.v1.replay.admit.${name}.${provider}`,
      `scbe.v1.envelope.open.request.${name}.${provider}.*`,
      `scbe.v1.envelope.seal.response.${name}.${provider}.*`,
      ...inboxesOf("orchestrator", "operator"),
    ],
    subscribe: [
      inbox("gateway", name),
      ...verifier(name, [provider]).subscribe,
      `scbe.v1.cancel.${provider}`,
      `scbe.v1.request.*.${provider} gateways`,
      ...announces(name),
    ],
  };
}

const STREAMS = ["KV_SCBE_KEYRING", "KV_SCBE_CONTROL", "SCBE_SECURITY", "SCBE_AUDIT", "ANOTHER"];
/** The role in the inbox of a user. */
const ROLE_OF = (user: string): string =>
  user.endsWith("orchestrator") ? "orchestrator" : user.startsWith("gateway-") ? "gateway" : user;

const USERS = Object.keys(MAY);
const QUEUES = [
  "envelope",
  "keyring",
  "replay-guard",
  "gateways",
  "rollback-controller",
  "trust-scorer",
  "operator",
  "another",
];
const KEYS = ["ring", "epoch", "state", "document", "another"];

/** Subjects of JetStream and of the server. */
const SERVERS: readonly string[] = [
  ...["$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.ACCOUNT.PURGE.SCBE_DEV"],
  ...["$SYS.REQ.SERVER.PING", "$SYS.REQ.USER.INFO", "$SYS.REQ.ACCOUNT.PING.CONNZ"],
  ...["$SYS.ACCOUNT.SCBE_DEV.CONNECT", "$O.SCBE.C.a"],
];

/** Every subject that each user tries. */
const PUBLISHED: readonly string[] = [
  ...Object.values(SUBJECTS).flatMap((subject) => [
    subject,
    ...each(subject, [...PROVIDERS, "another"]),
    ...USERS.flatMap((user) => [`${subject}.${user}`, ...each(subject, [...PROVIDERS, "another"], user)]),
    ...USERS.flatMap((user) => each(subject, PROVIDERS, user).map((it) => `${it}.chat`)),
    ...["orchestrator", "narrow-orchestrator"].flatMap((user) =>
      each(subject, PROVIDERS, user).flatMap((it) => [`${it}.tools`, `${it}.chat.more`]),
    ),
  ]),
  // subjects of later versions and of other services: no user has a right there
  ...each("scbe.v1.verdict"),
  ...["scbe.v1.trust.set", "scbe.v2.request.openai"],
  ...["another", "_INBOX.a.b", "_INBOX.a.b.c"],
  ...USERS.flatMap((user) => [`_INBOX.${ROLE_OF(user)}.${user}.a.b`, `_INBOX.${user}.a.b`]),
  ...USERS.flatMap((user) => [`$SRV.PING.${user}`, `$SRV.INFO.${user}.id`, `$SRV.STATS.${user}.id`]),
  ...["$SRV.PING", "$SRV.INFO", "$SRV.STATS"],
  ...Object.values(BUCKETS).flatMap((bucket) => each(`$KV.${bucket}`, KEYS)),
  ...STREAMS.flatMap(jetStreamSubjects),
  ...SERVERS,
];

function jetStreamSubjects(stream: string): string[] {
  const key = `$KV.${stream.slice(3)}`;
  return [
    ...["INFO", "CREATE", "UPDATE", "DELETE", "PURGE", "MSG.GET", "MSG.DELETE", "SNAPSHOT", "RESTORE"].map(
      (verb) => `$JS.API.STREAM.${verb}.${stream}`,
    ),
    `$JS.API.STREAM.PEER.REMOVE.${stream}`,
    `$JS.API.STREAM.LEADER.STEPDOWN.${stream}`,
    `$JS.API.DIRECT.GET.${stream}`,
    ...KEYS.map((name) => `$JS.API.DIRECT.GET.${stream}.${key}.${name}`),
    `$JS.API.CONSUMER.CREATE.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.c`,
    ...[...KEYS, ">"].map((name) => `$JS.API.CONSUMER.CREATE.${stream}.c.${key}.${name}`),
    `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.c`,
    ...["INFO", "DELETE", "PAUSE", "LEADER.STEPDOWN"].map((verb) => `$JS.API.CONSUMER.${verb}.${stream}.c`),
    `$JS.API.CONSUMER.NAMES.${stream}`,
    `$JS.API.CONSUMER.LIST.${stream}`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.c`,
    `$JS.FC.${stream}.c.a`,
    `$JS.ACK.${stream}.c.1.1.1.1.0`,
  ];
}

/** Every subject, alone and with every queue group, and every wildcard that covers one. */
const SUBSCRIBED: readonly string[] = [
  ...[
    ...Object.values(SUBJECTS).flatMap((subject) => [
      subject,
      ...each(subject, [...PROVIDERS, "another"]),
      ...["orchestrator", "gateway-openai"].flatMap((user) => [
        `${subject}.${user}`,
        ...each(subject, ["openai"], user).flatMap((it) => [it, `${it}.chat`]),
      ]),
    ]),
    ...["another", "_INBOX.a.b", "$SRV.PING", "$SRV.INFO", "$SRV.STATS", ...SERVERS],
    ...USERS.flatMap((user) => [`$SRV.PING.${user}`, `$SRV.INFO.${user}.id`]),
    ...Object.values(BUCKETS).flatMap((bucket) => each(`$KV.${bucket}`, KEYS)),
    ...STREAMS.flatMap(jetStreamSubjects).filter((_, at) => at % 5 === 0),
    ...Object.values(SUBJECTS).flatMap((subject) =>
      [".*", ".>", ".*.*", ".*.openai", ".*.*.*", ".*.openai.chat"].map((rest) => `${subject}${rest}`),
    ),
    ...[">", "*", "*.>", "scbe.>", "scbe.v1.>", "scbe.v1.*.*", "scbe.v1.*.openai", "scbe.v1.envelope.>"],
    ...["_INBOX.>", "_INBOX.*.>", "_INBOX.*.*.>"],
    ...USERS.flatMap((user) => [inbox(ROLE_OF(user), user), `_INBOX.${ROLE_OF(user)}.${user}.*`]),
    ...["$SRV.>", "$SRV.*", ...USERS.flatMap((user) => [`$SRV.INFO.${user}.*`, `$SRV.INFO.${user}.>`])],
    ...["$JS.>", "$JS.API.>", "$JS.API.CONSUMER.CREATE.>", "$JS.EVENT.>", "$JS.ACK.>", "$JS.FC.>", "$KV.>"],
    ...["$SYS.>", "$G.>"],
  ].flatMap((subject) => [subject, ...QUEUES.map((queue) => `${subject} ${queue}`)]),
];

/**
 * True if `pattern` covers every subject that `subject` matches. For nats-server, `*` in a permission also covers a last `>` of a
 * subscription. A user can subscribe to subjects below a provider, but no user may publish there.
 */
function covers(pattern: string, subject: string): boolean {
  const [wanted, given] = [pattern.split("."), subject.split(".")];
  for (const [at, token] of wanted.entries()) {
    if (token === ">") return given.length > at;
    const there = given[at];
    if (there === undefined || (token !== "*" && token !== there)) return false;
  }
  return wanted.length === given.length;
}

/** True if the rights allow a cell, "subject" or "subject queue". A right with a group allows only that group. */
function allows(rights: readonly string[], cell: string): boolean {
  const [subject = "", queue] = cell.split(" ");
  return rights.some((right) => {
    const [pattern = "", group] = right.split(" ");
    return covers(pattern, subject) && (group === undefined || group === queue);
  });
}

/** The differences between the server and the rights written here. */
async function differences(probe: Probe, rights: Rights): Promise<string[]> {
  const refusedToPublish = await probe.refusedPublishes(PUBLISHED);
  const refusedToSubscribe = await probe.refusedSubscriptions(SUBSCRIBED);
  const differ = (verb: string, cells: readonly string[], allowed: readonly string[], refused: Set<string>) =>
    cells
      .filter((cell) => allows(allowed, cell) === refused.has(cell))
      .map((cell) => `${refused.has(cell) ? "may not" : "may"} ${verb} ${cell}`);
  return [
    ...differ("publish", PUBLISHED, rights.publish, refusedToPublish),
    ...differ("subscribe to", SUBSCRIBED, rights.subscribe, refusedToSubscribe),
  ];
}

const secured = (program: string | undefined, table?: AccessTable): Promise<SecuredNats> =>
  startSecuredNats({
    program,
    providers: PROVIDERS,
    users: [
      { name: "narrow-orchestrator", role: "orchestrator", providers: ["anthropic"], intents: ["chat"] },
    ],
    ...(table && { table }),
  });

describe.each(natsVersions())("on nats-server $version", ({ program }) => {
  describe.skipIf(program === undefined)("a user's credentials", () => {
    let nats: SecuredNats;
    const as = (name: string): Promise<Probe> => connectProbe({ name, transport: nats.transport(name) });

    beforeAll(async () => {
      nats = await secured(program);
    });
    afterAll(() => nats[Symbol.asyncDispose]());

    it("are written here for every user of a deployment", () => {
      expect(nats.credentials.users.map(({ name }) => name).sort()).toEqual([...USERS].sort());
    });

    it.each(USERS)("allow exactly the rights written here: %s", async (name) => {
      await using probe = await as(name);
      expect(await differences(probe, MAY[name] as Rights)).toEqual([]);
    });

    it("keep the reason for noise secret: no gateway hears verdicts, outcomes, security events or other gateways", async () => {
      const hidden = [
        "scbe.v1.verdict.openai",
        "scbe.v1.outcome.openai",
        "scbe.v1.security.nonce_reuse.openai",
      ];
      const others = [
        "scbe.v1.request.*.anthropic gateways",
        "scbe.v1.cancel.anthropic",
        "_INBOX.gateway.gateway-anthropic.>",
      ];
      await using gateway = await as("gateway-openai");
      const cells = [...hidden, ...others, "scbe.v1.>", ">"];
      expect(await gateway.refusedSubscriptions(cells)).toEqual(new Set(cells));
    });

    it("let a service subscribe only in its queue group, so that no instance can watch all requests", async () => {
      const served = {
        keyring: "scbe.v1.keyring.grant.*.*",
        envelope: "scbe.v1.envelope.seal.request.*.*.*",
        "replay-guard": "scbe.v1.replay.admit.*.*",
        "gateway-openai": "scbe.v1.request.*.openai",
        "rollback-controller": "scbe.v1.control.lease.*",
      };
      for (const [user, subject] of Object.entries(served)) {
        await using probe = await as(user);
        const cells = [subject, `${subject} another`];
        expect(await probe.refusedSubscriptions(cells)).toEqual(new Set(cells));
      }
    });

    it("of a bus user never reach JetStream, KV or the server's own subjects", async () => {
      const subjects = [...STREAMS.flatMap(jetStreamSubjects), ...SERVERS];
      for (const user of USERS) {
        await using probe = await as(user);
        expect([user, await probe.refusedPublishes(subjects)]).toEqual([user, new Set(subjects)]);
      }
    });

    it("of a store's user open only that store's account: it receives and publishes nothing on the bus", async () => {
      await using keyring = await connectRawStore(nats, "keyring");
      await using other = await connectRawStore(nats, "control");
      await using bus = await as("orchestrator");
      const heard = await bus.listen("scbe.v1.control.state");
      keyring.connection.publish("scbe.v1.control.state", "from another account");
      await keyring.connection.flush();
      const manager = await keyring.connection.jetstreamManager({ checkAPI: false });
      await expect(manager.streams.info("KV_SCBE_CONTROL")).rejects.toThrow();
      await other.connection.flush();
      await bus.publish("scbe.v1.cancel.openai", "a round trip");
      expect(heard).toEqual([]);
    });

    it("let a service answer any number of times and at any time, only in the inboxes of users that may send it requests", async () => {
      await using gateway = await as("gateway-openai");
      const callers = ["_INBOX.orchestrator.any.question.1", "_INBOX.operator.operator.question.1"];
      const others = USERS.filter((user) => !["orchestrator", "operator"].includes(ROLE_OF(user)));
      const foreign = [
        ...others.map((user) => `_INBOX.${ROLE_OF(user)}.${user}.question.1`),
        ...["_INBOX.question.1", "_INBOX.orchestrator.question"],
      ];
      expect(await gateway.refusedPublishes([...callers, ...callers, ...foreign])).toEqual(new Set(foreign));
    });
  });
});

describe("in a deployment that permits fallback", () => {
  const more: Readonly<Record<string, Partial<Rights>>> = {
    orchestrator: { publish: each("scbe.v1.fallback", PROVIDERS, "orchestrator") },
    "narrow-orchestrator": { publish: ["scbe.v1.fallback.narrow-orchestrator.anthropic"] },
    "gateway-openai": { subscribe: ["scbe.v1.fallback.*.openai gateways"] },
    "gateway-anthropic": { subscribe: ["scbe.v1.fallback.*.anthropic gateways"] },
  };
  let nats: SecuredNats;
  beforeAll(async () => {
    nats = await secured(undefined, ACCESS_WITH_FALLBACK);
  });
  afterAll(() => nats[Symbol.asyncDispose]());

  it.each(USERS)("credentials also allow unsealed traffic, only to its two ends: %s", async (name) => {
    await using probe = await connectProbe({ name, transport: nats.transport(name) });
    const { publish, subscribe } = MAY[name] as Rights;
    const rights = {
      publish: [...publish, ...(more[name]?.publish ?? [])],
      subscribe: [...subscribe, ...(more[name]?.subscribe ?? [])],
    };
    expect(await differences(probe, rights)).toEqual([]);
  });
});

describe("the matrix", () => {
  const loosened: AccessTable = {
    ...ACCESS,
    orchestrator: { ...ACCESS.orchestrator, publishes: [...ACCESS.orchestrator.publishes, "admit"] },
    gateway: { ...ACCESS.gateway, subscribes: [...ACCESS.gateway.subscribes, "request"] },
    envelope: { ...ACCESS.envelope, publishes: ["grant", "epochGet"] },
  };
  let nats: SecuredNats;
  beforeAll(async () => {
    nats = await secured(undefined, loosened);
  });
  afterAll(() => nats[Symbol.asyncDispose]());

  it.each([
    ["a publish too many", "orchestrator", "may publish scbe.v1.replay.admit.orchestrator.openai"],
    ["a subscription too many", "gateway-openai", "may subscribe to scbe.v1.request.*.openai"],
    ["a publish too few", "envelope", "may not publish scbe.v1.replay.admit.envelope.openai"],
  ])("finds %s", async (_name, user, difference) => {
    await using probe = await connectProbe({ name: user, transport: nats.transport(user) });
    expect(await differences(probe, MAY[user] as Rights)).toContain(difference);
  });
});
