import { ACCESS, ACCESS_WITH_FALLBACK, type AccessTable, BUCKETS, SUBJECTS } from "@scbe/contracts";
import { connectProbe, natsVersions, type Probe, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/** What one user may do: subjects, `*` and `>` as in NATS; a queue group's name after a subject allows it in that group only. */
interface Rights {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

const PROVIDERS = ["openai", "anthropic"];
const each = (prefix: string, providers = PROVIDERS): string[] =>
  providers.map((name) => `${prefix}.${name}`);
const inbox = (user: string): string => `_INBOX_${user}.>`;
/** Where answers go. */
const inboxes = (...users: string[]): string[] => users.map(inbox);
const ORCHESTRATORS = ["orchestrator", "narrow-orchestrator"];
const GATEWAYS = ["gateway-openai", "gateway-anthropic"];
const announces = (user: string): string[] =>
  ["PING", "INFO", "STATS"].flatMap((verb) => [
    `$SRV.${verb}`,
    `$SRV.${verb}.${user}`,
    `$SRV.${verb}.${user}.*`,
  ]);

/** Whoever obeys the control document: asks for leases, hears it, and looks it up. */
const OBEYS: Rights = {
  publish: ["scbe.v1.control.lease", "$JS.API.DIRECT.GET.KV_SCBE_CONTROL.$KV.SCBE_CONTROL.state"],
  subscribe: ["scbe.v1.control.state"],
};
/** Whoever goes by how far providers are trusted. */
const TRUSTS: Rights = {
  publish: ["$JS.API.DIRECT.GET.KV_SCBE_TRUST.$KV.SCBE_TRUST.document"],
  subscribe: ["scbe.v1.trust.state"],
};
const STREAMS = [
  "KV_SCBE_KEYRING",
  "KV_SCBE_REPLAY",
  "KV_SCBE_CONTROL",
  "KV_SCBE_TRUST",
  "SCBE_SECURITY",
  "SCBE_AUDIT",
  "SCBE_TRUST",
  "ANOTHER",
];
const CONTROL_KEYS = ["state", "leader", "canary", "acted"];
const TRUST_KEYS = ["document", "state", "leader", "relay"];

/**
 * docs/access.md once more, by hand: nothing here is made from the table or from what turns it into permissions, so that a
 * row that says too much, or code that makes too much of a row, shows.
 */
const MAY: Readonly<Record<string, Rights>> = {
  keyring: {
    publish: [
      "scbe.v1.keyring.ring",
      ...inboxes("envelope", ...ORCHESTRATORS, ...GATEWAYS, "operator"),
      "$KV.SCBE_KEYRING.ring",
      "$JS.API.STREAM.INFO.KV_SCBE_KEYRING",
      "$JS.API.DIRECT.GET.KV_SCBE_KEYRING.$KV.SCBE_KEYRING.ring",
      "$JS.API.CONSUMER.CREATE.KV_SCBE_KEYRING.*.$KV.SCBE_KEYRING.ring",
      "$JS.API.CONSUMER.DELETE.KV_SCBE_KEYRING.*",
      "$JS.FC.KV_SCBE_KEYRING.>",
    ],
    subscribe: [
      inbox("keyring"),
      "scbe.v1.keyring.ring",
      "scbe.v1.keyring.grant.* keyring",
      ...announces("keyring"),
    ],
  },
  envelope: {
    publish: [
      ...OBEYS.publish,
      ...TRUSTS.publish,
      ...each("scbe.v1.keyring.grant"),
      ...each("scbe.v1.replay.admit"),
      "scbe.v1.replay.epoch.get",
      ...inboxes(...ORCHESTRATORS, ...GATEWAYS, "operator"),
    ],
    subscribe: [
      inbox("envelope"),
      ...OBEYS.subscribe,
      ...TRUSTS.subscribe,
      "scbe.v1.keyring.ring",
      "scbe.v1.replay.epoch",
      "scbe.v1.envelope.seal.request.* envelope",
      "scbe.v1.envelope.open.request.* envelope",
      "scbe.v1.envelope.seal.response.* envelope",
      "scbe.v1.envelope.open.response.* envelope",
      ...announces("envelope"),
    ],
  },
  "replay-guard": {
    publish: [
      "scbe.v1.replay.epoch",
      ...each("scbe.v1.security.nonce_reuse"),
      ...inboxes("envelope", ...ORCHESTRATORS, ...GATEWAYS, "operator"),
      "$KV.SCBE_REPLAY.epoch",
      "$JS.API.STREAM.INFO.KV_SCBE_REPLAY",
      "$JS.API.DIRECT.GET.KV_SCBE_REPLAY.$KV.SCBE_REPLAY.epoch",
      "$JS.API.CONSUMER.CREATE.KV_SCBE_REPLAY.*.$KV.SCBE_REPLAY.epoch",
      "$JS.API.CONSUMER.DELETE.KV_SCBE_REPLAY.*",
      "$JS.FC.KV_SCBE_REPLAY.>",
    ],
    subscribe: [
      inbox("replay-guard"),
      "scbe.v1.keyring.ring",
      "scbe.v1.replay.epoch",
      "scbe.v1.replay.admit.* replay-guard",
      "scbe.v1.replay.epoch.get replay-guard",
      ...announces("replay-guard"),
    ],
  },
  "rollback-controller": {
    publish: [
      "scbe.v1.control.state",
      "scbe.v1.audit",
      "scbe.v1.trust.word",
      ...TRUSTS.publish,
      ...inboxes("envelope", ...ORCHESTRATORS, ...GATEWAYS, "operator"),
      ...CONTROL_KEYS.flatMap((key) => [
        `$KV.SCBE_CONTROL.${key}`,
        `$JS.API.DIRECT.GET.KV_SCBE_CONTROL.$KV.SCBE_CONTROL.${key}`,
        `$JS.API.CONSUMER.CREATE.KV_SCBE_CONTROL.*.$KV.SCBE_CONTROL.${key}`,
      ]),
      "$JS.API.STREAM.INFO.KV_SCBE_CONTROL",
      "$JS.API.CONSUMER.DELETE.KV_SCBE_CONTROL.*",
      "$JS.FC.KV_SCBE_CONTROL.>",
      ...["SCBE_SECURITY", "SCBE_AUDIT"].flatMap((stream) => [
        `$JS.API.STREAM.INFO.${stream}`,
        `$JS.API.STREAM.MSG.GET.${stream}`,
      ]),
    ],
    subscribe: [
      inbox("rollback-controller"),
      "scbe.v1.keyring.ring",
      "scbe.v1.control.state",
      ...TRUSTS.subscribe,
      ...each("scbe.v1.security.nonce_reuse"),
      "scbe.v1.control.lease rollback-controller",
      ...announces("rollback-controller"),
    ],
  },
  "trust-scorer": {
    publish: [
      ...each("scbe.v1.outcome"),
      ...each("scbe.v1.trust.nonce_reuse"),
      "scbe.v1.trust.state",
      ...[...ORCHESTRATORS, "operator"].map(inbox),
      ...TRUST_KEYS.flatMap((key) => [
        `$KV.SCBE_TRUST.${key}`,
        `$JS.API.DIRECT.GET.KV_SCBE_TRUST.$KV.SCBE_TRUST.${key}`,
        `$JS.API.CONSUMER.CREATE.KV_SCBE_TRUST.*.$KV.SCBE_TRUST.${key}`,
      ]),
      "$JS.API.STREAM.INFO.KV_SCBE_TRUST",
      "$JS.API.CONSUMER.DELETE.KV_SCBE_TRUST.*",
      "$JS.FC.KV_SCBE_TRUST.>",
      ...["SCBE_SECURITY", "SCBE_TRUST"].flatMap((stream) => [
        `$JS.API.STREAM.INFO.${stream}`,
        `$JS.API.STREAM.MSG.GET.${stream}`,
      ]),
    ],
    subscribe: [
      inbox("trust-scorer"),
      "scbe.v1.keyring.ring",
      "scbe.v1.trust.tell.* trust-scorer",
      ...announces("trust-scorer"),
    ],
  },
  orchestrator: orchestratorOf("orchestrator", PROVIDERS),
  "narrow-orchestrator": orchestratorOf("narrow-orchestrator", ["anthropic"]),
  "gateway-openai": gatewayOf("openai", ["orchestrator"]),
  "gateway-anthropic": gatewayOf("anthropic", ORCHESTRATORS),
  provision: {
    publish: STREAMS.filter((name) => name !== "ANOTHER").flatMap((stream) => [
      `$JS.API.STREAM.INFO.${stream}`,
      `$JS.API.STREAM.CREATE.${stream}`,
      `$JS.API.STREAM.UPDATE.${stream}`,
    ]),
    subscribe: [inbox("provision")],
  },
  operator: {
    publish: [
      "scbe.v1.control.state",
      "$KV.SCBE_CONTROL.state",
      "$JS.API.DIRECT.GET.KV_SCBE_CONTROL.$KV.SCBE_CONTROL.state",
      ...["SCBE_SECURITY", "SCBE_AUDIT"].flatMap((stream) => [
        `$JS.API.STREAM.INFO.${stream}`,
        `$JS.API.STREAM.MSG.GET.${stream}`,
      ]),
      "$SRV.>",
    ],
    subscribe: [inbox("operator")],
  },
};

function orchestratorOf(name: string, providers: string[]): Rights {
  return {
    publish: [
      ...OBEYS.publish,
      ...TRUSTS.publish,
      ...each("scbe.v1.request", providers),
      ...each("scbe.v1.cancel", providers),
      ...each("scbe.v1.keyring.grant", providers),
      "scbe.v1.replay.epoch.get",
      ...each("scbe.v1.envelope.seal.request", providers),
      ...each("scbe.v1.envelope.open.response", providers),
      ...each("scbe.v1.trust.tell", providers),
    ],
    subscribe: [
      inbox(name),
      ...OBEYS.subscribe,
      ...TRUSTS.subscribe,
      "scbe.v1.keyring.ring",
      "scbe.v1.replay.epoch",
    ],
  };
}

function gatewayOf(provider: string, orchestrators: string[]): Rights {
  return {
    publish: [
      ...OBEYS.publish,
      ...TRUSTS.publish,
      `scbe.v1.keyring.grant.${provider}`,
      `scbe.v1.replay.admit.${provider}`,
      `scbe.v1.envelope.open.request.${provider}`,
      `scbe.v1.envelope.seal.response.${provider}`,
      ...inboxes(...orchestrators, "operator"),
    ],
    subscribe: [
      inbox(`gateway-${provider}`),
      ...OBEYS.subscribe,
      ...TRUSTS.subscribe,
      "scbe.v1.keyring.ring",
      `scbe.v1.cancel.${provider}`,
      `scbe.v1.request.${provider} gateways`,
      ...announces(`gateway-${provider}`),
    ],
  };
}

const USERS = Object.keys(MAY);
const QUEUES = ["envelope", "keyring", "replay-guard", "gateways", "rollback-controller", "another"];
const KEYS = [...new Set(["ring", "epoch", ...CONTROL_KEYS, ...TRUST_KEYS, "another"])];

/** Every subject that a user is tried on. */
const PUBLISHED: readonly string[] = [
  ...Object.values(SUBJECTS).flatMap((subject) => [
    subject,
    ...each(subject, [...PROVIDERS, "another"]),
    `${subject}.openai.more`,
  ]),
  // of later versions and of other services: nothing exists there, so nobody has any right
  ...each("scbe.v1.verdict"),
  ...["scbe.v1.trust.set", "scbe.v2.request.openai"],
  ...["another", "_INBOX.a.b", ...USERS.map((user) => `_INBOX_${user}.a.b`)],
  ...USERS.flatMap((user) => [`$SRV.PING.${user}`, `$SRV.INFO.${user}.id`, `$SRV.STATS.${user}.id`]),
  ...["$SRV.PING", "$SRV.INFO", "$SRV.STATS"],
  ...Object.values(BUCKETS).flatMap((bucket) => each(`$KV.${bucket}`, KEYS)),
  ...STREAMS.flatMap(jetStreamSubjects),
  ...["$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.ACCOUNT.PURGE.SCBE_DEV"],
  ...["$SYS.REQ.SERVER.PING", "$SYS.REQ.USER.INFO", "$SYS.ACCOUNT.SCBE_DEV.CONNECT"],
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

/** Every subject, plain and in every queue group, and every wildcard that covers one. */
const SUBSCRIBED: readonly string[] = [
  ...[
    ...PUBLISHED,
    ...Object.values(SUBJECTS).flatMap((subject) => [`${subject}.*`, `${subject}.>`]),
    ...[">", "*", "*.>", "scbe.>", "scbe.v1.>", "scbe.v1.*.*", "scbe.v1.*.openai", "scbe.v1.envelope.>"],
    ...["_INBOX.>", "_INBOX_*.>", ...USERS.flatMap((user) => [inbox(user), `_INBOX_${user}.*`])],
    ...["$SRV.>", "$SRV.*", ...USERS.flatMap((user) => [`$SRV.INFO.${user}.*`, `$SRV.INFO.${user}.>`])],
    ...["$JS.>", "$JS.API.>", "$JS.API.CONSUMER.CREATE.>", "$JS.EVENT.>", "$JS.ACK.>", "$JS.FC.>", "$KV.>"],
    ...["$SYS.>", "$G.>"],
  ].flatMap((subject) => [subject, ...QUEUES.map((queue) => `${subject} ${queue}`)]),
];

/**
 * True when everything that `subject` stands for is covered by `pattern`. To nats-server, `*` in a permission also covers a last
 * `>` of a subscription: what is deeper than a provider can be subscribed to, and nobody may publish there.
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

/** True when a cell, "subject" or "subject queue", is allowed: one that names a group is allowed in that group only. */
function allows(rights: readonly string[], cell: string): boolean {
  const [subject = "", queue] = cell.split(" ");
  return rights.some((right) => {
    const [pattern = "", group] = right.split(" ");
    return covers(pattern, subject) && (group === undefined || group === queue);
  });
}

/** Where the server and the rights written here differ. */
async function differences(probe: Probe, rights: Rights): Promise<string[]> {
  const refusedToPublish = await probe.refusedPublishes(PUBLISHED);
  const refusedToSubscribe = await probe.refusedSubscriptions(SUBSCRIBED);
  const tell = (verb: string, cells: readonly string[], allowed: readonly string[], refused: Set<string>) =>
    cells
      .filter((cell) => allows(allowed, cell) === refused.has(cell))
      .map((cell) => `${refused.has(cell) ? "may not" : "may"} ${verb} ${cell}`);
  return [
    ...tell("publish", PUBLISHED, rights.publish, refusedToPublish),
    ...tell("subscribe to", SUBSCRIBED, rights.subscribe, refusedToSubscribe),
  ];
}

const secured = (program: string | undefined, table?: AccessTable): Promise<SecuredNats> =>
  startSecuredNats({
    program,
    providers: PROVIDERS,
    users: [{ name: "narrow-orchestrator", role: "orchestrator", providers: ["anthropic"] }],
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

    it("are known here for every user that a deployment has", () => {
      expect(nats.credentials.users.map(({ name }) => name).sort()).toEqual([...USERS].sort());
    });

    it.each(USERS)("allow exactly what is written here: %s", async (name) => {
      await using probe = await as(name);
      expect(await differences(probe, MAY[name] as Rights)).toEqual([]);
    });

    it("let nobody read what the noise hides: no gateway hears verdicts, outcomes, security events or other gateways", async () => {
      const hidden = [
        "scbe.v1.verdict.openai",
        "scbe.v1.outcome.openai",
        "scbe.v1.security.nonce_reuse.openai",
      ];
      const others = [
        "scbe.v1.request.anthropic gateways",
        "scbe.v1.cancel.anthropic",
        "_INBOX_gateway-anthropic.>",
      ];
      await using gateway = await as("gateway-openai");
      const cells = [...hidden, ...others, "scbe.v1.>", ">"];
      expect(await gateway.refusedSubscriptions(cells)).toEqual(new Set(cells));
    });

    it("let a service in by its queue group only, so that none can watch all requests in silence", async () => {
      const served = {
        keyring: "scbe.v1.keyring.grant.*",
        envelope: "scbe.v1.envelope.seal.request.*",
        "replay-guard": "scbe.v1.replay.admit.*",
        "gateway-openai": "scbe.v1.request.openai",
      };
      for (const [user, subject] of Object.entries(served)) {
        await using probe = await as(user);
        const cells = [subject, `${subject} another`];
        expect(await probe.refusedSubscriptions(cells)).toEqual(new Set(cells));
      }
    });

    it("let nobody but a bucket's owner make a consumer, which JetStream would have deliver into any subject", async () => {
      const owners: Readonly<Record<string, string>> = {
        keyring: "KV_SCBE_KEYRING",
        "replay-guard": "KV_SCBE_REPLAY",
        "rollback-controller": "KV_SCBE_CONTROL",
        "trust-scorer": "KV_SCBE_TRUST",
      };
      const keys: Readonly<Record<string, string>> = {
        KV_SCBE_REPLAY: "epoch",
        KV_SCBE_CONTROL: "state",
        KV_SCBE_TRUST: "state",
      };
      const creations = STREAMS.flatMap((stream) => [
        `$JS.API.CONSUMER.CREATE.${stream}`,
        `$JS.API.CONSUMER.CREATE.${stream}.thief`,
        `$JS.API.CONSUMER.CREATE.${stream}.thief.$KV.${stream.slice(3)}.${keys[stream] ?? "ring"}`,
        `$JS.API.CONSUMER.CREATE.${stream}.thief.$KV.${stream.slice(3)}.>`,
        `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.thief`,
      ]);
      for (const user of USERS) {
        await using probe = await as(user);
        const refused = await probe.refusedPublishes(creations);
        const made = creations.filter((subject) => !refused.has(subject));
        const own = owners[user];
        expect(made, user).toEqual(
          own === undefined ? [] : [expect.stringMatching(`${own}.thief.*(ring|epoch|state)$`)],
        );
      }
    });

    it("let a service answer as often and as late as it takes, in the inboxes of those who may ask it, and in no other", async () => {
      await using gateway = await as("gateway-openai");
      const askers = ["_INBOX_orchestrator.question.1", "_INBOX_operator.question.1"];
      const others = USERS.filter((user) => user !== "orchestrator" && user !== "operator");
      const foreign = [...others.map((user) => `_INBOX_${user}.question.1`), "_INBOX.question.1"];
      expect(await gateway.refusedPublishes([...askers, ...askers, ...foreign])).toEqual(new Set(foreign));
    });
  });
});

describe("in a deployment that permits fallback", () => {
  const more: Readonly<Record<string, Partial<Rights>>> = {
    orchestrator: { publish: each("scbe.v1.fallback") },
    "narrow-orchestrator": { publish: ["scbe.v1.fallback.anthropic"] },
    "gateway-openai": { subscribe: ["scbe.v1.fallback.openai gateways"] },
    "gateway-anthropic": { subscribe: ["scbe.v1.fallback.anthropic gateways"] },
  };
  let nats: SecuredNats;
  beforeAll(async () => {
    nats = await secured(undefined, ACCESS_WITH_FALLBACK);
  });
  afterAll(() => nats[Symbol.asyncDispose]());

  it.each(USERS)(
    "credentials allow unsealed traffic beside the rest, to its two ends alone: %s",
    async (name) => {
      await using probe = await connectProbe({ name, transport: nats.transport(name) });
      const { publish, subscribe } = MAY[name] as Rights;
      const rights = {
        publish: [...publish, ...(more[name]?.publish ?? [])],
        subscribe: [...subscribe, ...(more[name]?.subscribe ?? [])],
      };
      expect(await differences(probe, rights)).toEqual([]);
    },
  );
});

describe("the matrix", () => {
  const loosened: AccessTable = {
    ...ACCESS,
    orchestrator: { ...ACCESS.orchestrator, publishes: [...ACCESS.orchestrator.publishes, "admit"] },
    gateway: { ...ACCESS.gateway, subscribes: [...ACCESS.gateway.subscribes, "request"] },
    envelope: { ...ACCESS.envelope, publishes: ["grant", "epochGet"] },
    operator: { ...ACCESS.operator, owns: "keyring" },
  };
  let nats: SecuredNats;
  beforeAll(async () => {
    nats = await secured(undefined, loosened);
  });
  afterAll(() => nats[Symbol.asyncDispose]());

  it.each([
    ["a publish too many", "orchestrator", "may publish scbe.v1.replay.admit.openai"],
    ["a subscription too many", "gateway-openai", "may subscribe to scbe.v1.request.openai"],
    ["a publish too few", "envelope", "may not publish scbe.v1.replay.admit.openai"],
    ["a bucket that is somebody else's", "operator", "may publish $KV.SCBE_KEYRING.ring"],
  ])("finds %s", async (_name, user, difference) => {
    await using probe = await connectProbe({ name: user, transport: nats.transport(user) });
    expect(await differences(probe, MAY[user] as Rights)).toContain(difference);
  });
});
