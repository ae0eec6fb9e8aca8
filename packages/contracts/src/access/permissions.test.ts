import { describe, expect, it } from "vitest";
import { patternOf, QUEUES, SUBJECTS, type SubjectKind, tokensIn } from "../subjects.ts";
import { ACCESS, ACCESS_WITH_FALLBACK, ROLES, STORE_ACCOUNTS } from "./access-table.ts";
import { busScopes, grantOf, permissionsOf, rolesAsking } from "./permissions.ts";
import { type KeyedStoreUser, renderServerConfig, type ServerConfigOptions } from "./render-server-config.ts";
import { allStores, storeUsers } from "./stores.ts";
import { type AccessUser, checkUsers, deploymentUsers, listUsers } from "./users.ts";

const nkey = (letter: string): string => `U${letter.repeat(55)}`;
const GATEWAY: AccessUser = {
  name: "gateway-openai",
  role: "gateway",
  providers: ["openai"],
  nkey: nkey("A"),
};
const OPERATOR: AccessUser = { name: "operator", role: "operator", providers: [], nkey: nkey("B") };
const STORES_USERS = storeUsers().map((user, n) => ({ ...user, nkey: nkey("CDEFGHIJKLM"[n] ?? "") }));

describe("the access table", () => {
  const kinds = Object.keys(SUBJECTS) as SubjectKind[];

  it("has a publisher and a subscriber for every subject", () => {
    const heard = (kind: SubjectKind): boolean =>
      ROLES.some(
        (role) =>
          ACCESS_WITH_FALLBACK[role].subscribes.includes(kind) ||
          ACCESS_WITH_FALLBACK[role].serves?.subjects.includes(kind),
      ) ||
      allStores().some(
        (store) => store.kind === "events" && (store.subjects as readonly string[]).includes(patternOf(kind)),
      );
    // What a store's account alone has is published there by the service itself.
    const isStoredOnly = (kind: SubjectKind): boolean => ["audit", "outcome", "trustReuse"].includes(kind);
    for (const kind of kinds) {
      const isPublished = ROLES.some((role) => ACCESS_WITH_FALLBACK[role].publishes.includes(kind));
      expect([kind, isPublished]).toEqual([kind, !isStoredOnly(kind)]);
      expect([kind, heard(kind)]).toEqual([kind, true]);
    }
  });

  it("has one serving role for each subject, in its own queue group", () => {
    for (const kind of kinds) {
      const serving = ROLES.filter((role) => ACCESS_WITH_FALLBACK[role].serves?.subjects.includes(kind));
      // The offline kill switch answers beside the controllers, in a group of its own.
      const most = kind === "controlGet" ? 2 : 1;
      expect([kind, serving.length <= most]).toEqual([kind, true]);
    }
    const queues = ROLES.flatMap((role) => ACCESS_WITH_FALLBACK[role].serves?.queue ?? []);
    expect(queues.sort()).toEqual(Object.values(QUEUES).sort());
  });

  it("gives no role access to unsealed traffic unless the deployment permits it", () => {
    const of = (row: (typeof ACCESS)["gateway"]): boolean =>
      [...row.publishes, ...row.subscribes, ...(row.serves?.subjects ?? [])].includes("fallback");
    expect(ROLES.filter((role) => of(ACCESS[role]))).toEqual([]);
    expect(ROLES.filter((role) => of(ACCESS_WITH_FALLBACK[role]))).toEqual(["orchestrator", "gateway"]);
  });

  it("has one service for each store's account", () => {
    const kept = ROLES.flatMap((role) => ACCESS[role].keeps ?? []);
    expect(kept.sort()).toEqual([...STORE_ACCOUNTS].sort());
  });

  it("gives no user of the bus access to JetStream, KV, the server, or arbitrary reply subjects", () => {
    const users = deploymentUsers({ providers: ["openai"] }, ACCESS_WITH_FALLBACK);
    for (const user of users) {
      const { publish } = permissionsOf(user, ACCESS_WITH_FALLBACK);
      const forbidden = publish.filter((subject) => /^\$(JS|KV|O|SYS)\b|^[*>]|^\$(?!SRV\.)/.test(subject));
      expect([user.name, forbidden]).toEqual([user.name, []]);
    }
    const texts = render().split("SCBE_DEV_KEYRING")[0];
    expect(texts).not.toMatch(/\$JS|\$KV|\$O\.|\$SYS|allow_responses/);
  });
});

describe("permissions", () => {
  it("of a gateway are for its own provider and in its queue group", () => {
    const { publish, subscribe } = permissionsOf(GATEWAY);
    expect(subscribe).toContain("scbe.v1.request.*.openai gateways");
    expect(subscribe).toContain("_INBOX.gateway.gateway-openai.>");
    expect([...publish, ...subscribe].filter((subject) => /[*>]/.test(subject))).toEqual([
      "scbe.v1.envelope.open.request.gateway-openai.openai.*",
      "scbe.v1.envelope.seal.response.gateway-openai.openai.*",
      "_INBOX.orchestrator.*.>",
      "_INBOX.operator.*.>",
      "_INBOX.gateway.gateway-openai.>",
      "scbe.v1.request.*.openai gateways",
      "$SRV.PING.gateway-openai.*",
      "$SRV.INFO.gateway-openai.*",
      "$SRV.STATS.gateway-openai.*",
    ]);
  });

  it("to answer are for the inboxes of the roles that may send requests, so that a new user changes no other's", () => {
    const answering = Object.fromEntries(
      ROLES.filter((role) => ACCESS[role].serves !== undefined).map((role) => [role, rolesAsking(role)]),
    );
    expect(answering).toEqual({
      keyring: ["envelope", "orchestrator", "gateway", "operator"],
      envelope: ["orchestrator", "gateway", "operator"],
      "replay-guard": [
        "envelope",
        "rollback-controller",
        "trust-scorer",
        "orchestrator",
        "gateway",
        "operator",
      ],
      "rollback-controller": ["envelope", "orchestrator", "gateway", "operator"],
      "trust-scorer": ["envelope", "rollback-controller", "orchestrator", "gateway", "operator"],
      gateway: ["orchestrator", "operator"],
      operator: ["envelope", "orchestrator", "gateway", "operator"],
    });
    const inboxes = permissionsOf(GATEWAY).publish.filter((subject) => subject.startsWith("_INBOX"));
    expect(inboxes).toEqual(["_INBOX.orchestrator.*.>", "_INBOX.operator.*.>"]);
  });

  it("to send requests carry the user's own name, and each of its intents if it has a list of them", () => {
    const narrow = { name: "narrow", role: "orchestrator", providers: ["xai"], intents: ["chat"] } as const;
    const { publish } = permissionsOf(narrow);
    expect(publish).toContain("scbe.v1.envelope.seal.request.narrow.xai.chat");
    const { intents: _, ...wide } = narrow;
    expect(permissionsOf(wide).publish).toContain("scbe.v1.envelope.seal.request.narrow.xai.*");
    for (const kind of kindsServed()) {
      expect([kind, tokensIn(kind)[0]]).toEqual([kind, "user"]);
      for (const subject of publish.filter((it) => it.startsWith(`${SUBJECTS[kind]}.`)))
        expect(subject.split(".")).toContain("narrow");
    }
  });

  it.each([
    ["a name that would widen a subject", { name: "a.>" }],
    ["a name with a space, which would begin a queue group", { name: "a b" }],
    ["no name", { name: "" }],
    ["a provider that would widen a subject", { providers: ["*"] }],
    ["no provider", { providers: [] }],
    ["two providers instead of one", { providers: ["openai", "xai"] }],
  ])("are not made for a gateway with %s", (_name, change) => {
    expect(() => permissionsOf({ ...GATEWAY, ...change })).toThrow(
      expect.objectContaining({ code: "BAD_REQUEST" }),
    );
  });
});

describe("users", () => {
  it.each([
    ["an unknown role", { role: "root" }],
    ["a role that is a member of every object", { role: "toString" }],
    ["no nkey", { nkey: "" }],
    ["a seed for an nkey", { nkey: `SU${"A".repeat(56)}` }],
    ["another variable for an nkey", { nkey: "$HOME" }],
    ["an nkey with a suffix", { nkey: `${nkey("A")} }` }],
    ["a provider that it names twice", { role: "orchestrator", providers: ["openai", "openai"] }],
    ["an intent that is not a name", { intents: ["chat", "a.b"] }],
    ["an intent that is reserved", { intents: ["chat", "scbe-opening-token"] }],
  ])("with %s are refused", (_name, change) => {
    const user = { ...GATEWAY, ...change } as AccessUser;
    expect(() => checkUsers([user])).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
  });

  it("never share a name or an nkey", () => {
    const twice = (change: object) => () => checkUsers([GATEWAY, { ...GATEWAY, ...change }]);
    expect(twice({ name: "another" })).toThrow("shares its name or nkey");
    expect(twice({ nkey: nkey("C") })).toThrow("shares its name or nkey");
    expect(twice({ name: "another", nkey: nkey("C") })).not.toThrow();
  });

  it("of a deployment are one for each service, orchestrator and gateway, and for provisioning and the operator", () => {
    const users = deploymentUsers({
      providers: ["openai", "xai"],
      orchestrators: ["web", "batch"],
      gateways: ["xai"],
      users: [{ name: "narrow", role: "orchestrator", providers: ["xai"], intents: ["chat"] }],
    });
    expect(users.map(({ name, providers }) => [name, ...providers].join(" "))).toEqual([
      "keyring openai xai",
      "envelope openai xai",
      "replay-guard openai xai",
      "rollback-controller openai xai",
      "trust-scorer openai xai",
      "web openai xai",
      "batch openai xai",
      "gateway-xai xai",
      "operator",
      "narrow xai",
    ]);
  });
});

describe("the list of users", () => {
  const users = deploymentUsers({
    providers: ["openai"],
    users: [{ name: "narrow", role: "orchestrator", providers: ["openai"], intents: ["chat"] }],
  }).map((user, index) => ({ ...user, nkey: nkey("ABCDEFGHIJ"[index] ?? "") }));

  it("names every user with its limits", () => {
    const list = listUsers(users);
    expect(list.map(({ name }) => name)).toEqual(users.map(({ name }) => name));
    expect(list.filter(({ intents }) => intents !== undefined)).toMatchObject([{ intents: ["chat"] }]);
  });

  it("is not made while an nkey is a variable", () => {
    const unknown = users.map((user) => (user.role === "gateway" ? { ...user, nkey: "$SCBE_NKEY_G" } : user));
    expect(() => listUsers(unknown)).toThrow("the nkey of gateway-openai is not known");
  });
});

/** Every subject that a service answers. */
function kindsServed(): readonly SubjectKind[] {
  return ROLES.flatMap((role) => ACCESS_WITH_FALLBACK[role].serves?.subjects ?? []);
}

function render(options: Partial<ServerConfigOptions> = {}): string {
  return renderServerConfig([GATEWAY, OPERATOR], STORES_USERS, { env: "dev", storeDir: "/data", ...options });
}

describe("the server's configuration", () => {
  it("denies everything to a user without subjects", () => {
    const { serves: _serves, inspects: _inspects, ...row } = ACCESS.operator;
    const text = render({ table: { ...ACCESS, operator: { ...row, publishes: [] } } });
    expect(text.slice(text.indexOf("# operator"))).toMatch(/^.*\n.*\n +publish: \{ deny: \[">"\] \}/);
  });

  it("has one account for the bus, without JetStream, and one with JetStream for each store", () => {
    const text = render();
    const accounts = [...text.matchAll(/^ {2}(SCBE_\w+) \{\n(?: {4}(jetstream) )?/gm)];
    expect(accounts.map(([, name, jetstream]) => [name, jetstream])).toEqual([
      ["SCBE_DEV", undefined],
      ["SCBE_DEV_KEYRING", "jetstream"],
      ["SCBE_DEV_REPLAY", "jetstream"],
      ["SCBE_DEV_CONTROL", "jetstream"],
      ["SCBE_DEV_TRUST", "jetstream"],
    ]);
  });

  it("always names JetStream and its folder, since a reload without them would stop it", () => {
    expect(render({ storeDir: "$DIR" })).toContain("\njetstream { store_dir: $DIR }\n");
  });

  it("has TLS only if configured, and requires certificates only with an authority", () => {
    expect(render()).not.toMatch(/tls/);
    const tls = { cert: "/c.pem", key: "$KEY_FILE" };
    expect(render({ tls })).toContain('cert_file: "/c.pem"\n  key_file: $KEY_FILE\n}');
    expect(render({ tls })).not.toContain("verify");
    expect(render({ tls: { ...tls, ca: "/ca.pem" } })).toContain('ca_file: "/ca.pem"\n  verify: true');
  });

  it("refuses paths that end their quotes or are unprintable, and invalid nkeys", () => {
    expect(render({ storeDir: '/a" } users: [' })).toContain('"/a\\" } users: ["');
    expect(() => render({ storeDir: "/a\n" })).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
    const bad = [{ ...(STORES_USERS[0] as KeyedStoreUser), nkey: "U }" }];
    expect(() => renderServerConfig([GATEWAY], bad, { env: "dev", storeDir: "/d" })).toThrow(
      expect.objectContaining({ code: "BAD_REQUEST" }),
    );
  });
});

const TABLE = ACCESS_WITH_FALLBACK;
const PROVIDERS = ["openai", "xai", "groq"];
const USERS = deploymentUsers(
  {
    providers: PROVIDERS,
    users: [
      { name: "narrow", role: "orchestrator", providers: ["xai", "groq"], intents: ["chat", "embed"] },
      { name: "gateway-narrow", role: "gateway", providers: ["xai"], intents: ["chat"] },
    ],
  },
  TABLE,
);

describe("what a user's JWT grants", () => {
  it("is what the table gives that user, in its own list or after the server filled in its scope", () => {
    const scopes = new Map(busScopes(TABLE).map((scope) => [scope.name, scope.permissions]));
    for (const user of USERS) {
      const grant = grantOf(user, TABLE);
      const [own, tags] = "scope" in grant ? [scopes.get(grant.scope), grant.tags] : [grant.permissions, []];
      const fill = (list: readonly string[] = []) =>
        list.flatMap((subject) => filledIn(subject, user.name, tags)).sort();
      const { publish, subscribe } = permissionsOf(user, TABLE);
      expect([user.name, fill(own?.publish)]).toEqual([user.name, [...publish].sort()]);
      expect([user.name, fill(own?.subscribe)]).toEqual([user.name, [...subscribe].sort()]);
    }
  });

  it("has templates as whole tokens, and no queue group beside one, which the server would drop", () => {
    for (const { name, permissions } of busScopes(TABLE)) {
      for (const subject of [...permissions.publish, ...permissions.subscribe]) {
        for (const token of subject.split("."))
          expect(token).toMatch(/^(?:[^{}]*|\{\{(?:name\(\)|tag\((?:provider|intent)\))\}\})$/);
        expect([name, subject]).toEqual([name, expect.not.stringMatching(/template--| /)]);
      }
    }
  });

  it("is refused for a user with more subjects than the server fills in", () => {
    const names = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`);
    const user = { name: "wide", role: "orchestrator", providers: names(64) } as const;
    expect(() => grantOf({ ...user, intents: names(64) })).toThrow("nats-server takes 4096");
    expect(grantOf({ ...user, intents: names(28) }, TABLE)).toMatchObject({ scope: "orchestrator.intents" });
  });

  it.each(["*", ">", "a.b", "a b", "{{name()}}", ""])(
    "is nothing for a name such as %j, which would be filled in as it is",
    (name) => {
      const user = { name, role: "orchestrator", providers: ["openai"] } as const;
      expect(() => grantOf(user)).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
      const widened = { name: "a", role: "orchestrator", providers: [name] } as const;
      expect(() => grantOf(widened)).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
    },
  );
});

/** As nats-server does: one subject for each combination of the tags' values. */
function filledIn(subject: string, name: string, tags: readonly string[]): string[] {
  return subject.split(".").reduce<string[]>(
    (made, token) => {
      const [, tag] = /^\{\{tag\((\w+)\)\}\}$/.exec(token) ?? [];
      const values =
        tag === undefined
          ? [token === "{{name()}}" ? name : token]
          : tags.flatMap((text) => (text.startsWith(`${tag}:`) ? [text.slice(tag.length + 1)] : []));
      return made.flatMap((before) => values.map((value) => (before === "" ? value : `${before}.${value}`)));
    },
    [""],
  );
}
