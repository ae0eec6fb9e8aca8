import { describe, expect, it } from "vitest";
import { QUEUES, SUBJECTS } from "../subjects.ts";
import { ACCESS, ACCESS_WITH_FALLBACK, ROLES, type SubjectKind } from "./access-table.ts";
import { type AccessUser, checkUsers } from "./access-user.ts";
import { askersOf } from "./askers-of.ts";
import { deploymentUsers } from "./deployment-users.ts";
import { permissionsOf } from "./permissions-of.ts";
import { renderServerConfig } from "./render-server-config.ts";
import { allStores } from "./stores.ts";

const nkey = (letter: string): string => `U${letter.repeat(55)}`;
const GATEWAY: AccessUser = {
  name: "gateway-openai",
  role: "gateway",
  providers: ["openai"],
  nkey: nkey("A"),
};
const PROVISION: AccessUser = { name: "provision", role: "provision", providers: [], nkey: nkey("B") };

describe("the access table", () => {
  const kinds = Object.keys(SUBJECTS) as SubjectKind[];

  it("has somebody who publishes, and somebody who hears, every subject there is", () => {
    const heard = (kind: SubjectKind): boolean =>
      ROLES.some(
        (role) =>
          ACCESS_WITH_FALLBACK[role].subscribes.includes(kind) ||
          ACCESS_WITH_FALLBACK[role].serves?.subjects.includes(kind),
      ) ||
      allStores().some(
        (store) =>
          store.kind === "events" &&
          [SUBJECTS[kind], `${SUBJECTS[kind]}.*`].some((subject) => store.subjects.includes(subject)),
      );
    for (const kind of kinds) {
      expect([kind, ROLES.some((role) => ACCESS_WITH_FALLBACK[role].publishes.includes(kind))]).toEqual([
        kind,
        true,
      ]);
      expect([kind, heard(kind)]).toEqual([kind, true]);
    }
  });

  it("has each subject served by one role only, in that role's own queue group", () => {
    for (const kind of kinds) {
      const serving = ROLES.filter((role) => ACCESS_WITH_FALLBACK[role].serves?.subjects.includes(kind));
      expect([kind, serving.length]).toEqual([kind, expect.toBeOneOf([0, 1])]);
    }
    const queues = ROLES.flatMap((role) => ACCESS_WITH_FALLBACK[role].serves?.queue ?? []);
    expect(queues.sort()).toEqual(Object.values(QUEUES).sort());
  });

  it("lets nobody near unsealed traffic unless the deployment permits it", () => {
    const of = (row: (typeof ACCESS)["gateway"]): boolean =>
      [...row.publishes, ...row.subscribes, ...(row.serves?.subjects ?? [])].includes("fallback");
    expect(ROLES.filter((role) => of(ACCESS[role]))).toEqual([]);
    expect(ROLES.filter((role) => of(ACCESS_WITH_FALLBACK[role]))).toEqual(["orchestrator", "gateway"]);
  });

  it("has one owner for each bucket", () => {
    const owned = ROLES.flatMap((role) => ACCESS[role].owns ?? []);
    expect(owned.sort()).toEqual(["control", "keyring", "replay", "trust"]);
  });
});

describe("permissions", () => {
  it("of a gateway are for its own provider and in its queue group", () => {
    const { publish, subscribe } = permissionsOf(GATEWAY, [GATEWAY]);
    expect(subscribe).toContain("scbe.v1.request.openai gateways");
    expect(subscribe).toContain("_INBOX_gateway-openai.>");
    expect([...publish, ...subscribe].filter((subject) => /[*>]/.test(subject))).toEqual([
      "_INBOX_gateway-openai.>",
      "$SRV.PING.gateway-openai.*",
      "$SRV.INFO.gateway-openai.*",
      "$SRV.STATS.gateway-openai.*",
    ]);
  });

  it("to answer are for the inboxes of those who may ask, by subject and provider", () => {
    const users = deploymentUsers({
      providers: ["openai", "xai"],
      users: [{ name: "narrow", role: "orchestrator", providers: ["xai"] }],
    });
    const inboxes = Object.fromEntries(
      users.map((user) => [
        user.name,
        permissionsOf(user, users)
          .publish.filter((subject) => subject.startsWith("_INBOX"))
          .map((subject) => subject.slice("_INBOX_".length, -".>".length)),
      ]),
    );
    const gateways = ["gateway-openai", "gateway-xai"];
    expect(inboxes).toEqual({
      keyring: ["envelope", "orchestrator", ...gateways, "operator", "narrow"],
      envelope: ["orchestrator", ...gateways, "operator", "narrow"],
      "replay-guard": ["envelope", "orchestrator", ...gateways, "operator", "narrow"],
      "rollback-controller": ["envelope", "orchestrator", ...gateways, "operator", "narrow"],
      "trust-scorer": ["orchestrator", "operator", "narrow"],
      "gateway-openai": ["orchestrator", "operator"],
      "gateway-xai": ["orchestrator", "operator", "narrow"],
      orchestrator: [],
      narrow: [],
      provision: [],
      operator: [],
    });
  });

  it.each([
    ["a name that could widen a subject", { name: "a.>" }],
    ["a name with a space, which would begin a queue group", { name: "a b" }],
    ["no name", { name: "" }],
    ["a provider that could widen a subject", { providers: ["*"] }],
    ["no provider", { providers: [] }],
    ["two providers where it is for one", { providers: ["openai", "xai"] }],
  ])("are not made for a gateway with %s", (_name, change) => {
    expect(() => permissionsOf({ ...GATEWAY, ...change }, [])).toThrow(
      expect.objectContaining({ code: "BAD_REQUEST" }),
    );
  });
});

describe("users", () => {
  it.each([
    ["an unknown role", { role: "root" }],
    ["a role that every object has", { role: "toString" }],
    ["no nkey", { nkey: "" }],
    ["a seed for an nkey", { nkey: `SU${"A".repeat(56)}` }],
    ["another variable for an nkey", { nkey: "$HOME" }],
    ["an nkey that goes on", { nkey: `${nkey("A")} }` }],
    ["a provider that it names twice", { role: "orchestrator", providers: ["openai", "openai"] }],
    ["an intent that is no name", { intents: ["chat", "a.b"] }],
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
      "provision",
      "operator",
      "narrow xai",
    ]);
  });
});

describe("askers", () => {
  const users = deploymentUsers({
    providers: ["openai"],
    users: [{ name: "narrow", role: "orchestrator", providers: ["openai"], intents: ["chat"] }],
  }).map((user, index) => ({ ...user, nkey: nkey("ABCDEFGHIJ"[index] ?? "") }));

  it("are exactly the users that may publish on the subject of grants, with their limits", () => {
    const askers = askersOf(users);
    expect(askers.map(({ role }) => role)).toEqual(["envelope", "orchestrator", "gateway", "orchestrator"]);
    expect(askers.filter(({ intents }) => intents !== undefined)).toMatchObject([{ intents: ["chat"] }]);
  });

  it("cannot be told while an nkey is a variable", () => {
    const unknown = users.map((user) => (user.role === "gateway" ? { ...user, nkey: "$SCBE_NKEY_G" } : user));
    expect(() => askersOf(unknown)).toThrow("the nkey of gateway-openai is not known");
  });
});

describe("the server's configuration", () => {
  const render = (options = {}) => renderServerConfig([GATEWAY, PROVISION], { env: "dev", ...options });

  it("denies everything to a user with nothing to publish or to hear", () => {
    const nobody = { ...ACCESS, provision: { ...ACCESS.provision, provisions: undefined } };
    const text = render({ table: nobody });
    expect(text.slice(text.indexOf("# provision"))).toContain('publish: { deny: [">"] }');
  });

  it("has one account for the environment, and no right to answer that the server would have to keep count of", () => {
    expect(render()).toContain("  SCBE_DEV {");
    expect(render()).not.toContain("allow_responses");
  });

  it("has TLS and a store only where they are given, and asks for certificates only with an authority", () => {
    expect(render()).not.toMatch(/tls|store_dir/);
    const tls = { cert: "/c.pem", key: "$KEY_FILE" };
    expect(render({ tls, storeDir: "/data" })).toContain('cert_file: "/c.pem"\n  key_file: $KEY_FILE\n}');
    expect(render({ tls })).not.toContain("verify");
    expect(render({ tls: { ...tls, ca: "/ca.pem" } })).toContain('ca_file: "/ca.pem"\n  verify: true');
    expect(render({ storeDir: "/data" })).toContain('jetstream { store_dir: "/data" }');
  });

  it("has no way out of a quoted path, and none for unprintable ones", () => {
    expect(render({ storeDir: '/a" } users: [' })).toContain('"/a\\" } users: ["');
    expect(() => render({ storeDir: "/a\n" })).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
  });
});
