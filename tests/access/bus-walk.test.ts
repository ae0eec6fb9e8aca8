import { readFileSync, writeFileSync } from "node:fs";
import { ACCESS, permissionsOf, STORE_ACCOUNTS } from "@scbe/contracts";
import { connectRawStore, eventually, natsVersions, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { connect, type StoredMsg } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type System, startSystem } from "../kit/system.ts";
import { startTap, type Tap } from "../kit/tap.ts";
import { TARGETS, toPattern, type WalkingUser, walkBus } from "./walk-bus.ts";

/**
 * Every user of a deployment publishes everything that the server allows it, with every reply subject that must never get an
 * answer, while all services run.
 */
describe.each(natsVersions())("on nats-server $version", ({ program }) => {
  describe.skipIf(program === undefined)(
    "whatever a user of the bus publishes, with any reply subject,",
    () => {
      const stack = new AsyncDisposableStack();
      let system: System;
      let tap: Tap;
      let before: ReadonlyMap<string, string>;
      let sent = 0;
      let heardBefore = 0;

      beforeAll(async () => {
        system = stack.use(
          await startSystem({
            program,
            ...{ controller: true, scorer: true, redis: false },
            users: [{ name: "walk-victim", role: "orchestrator", providers: ["openai"] }],
            onNats: async (nats) => {
              tap = stack.use(await startTap(nats));
            },
          }),
        );
        const gateway = stack.use(await system.gateway("openai"));
        stack.use(await gateway.serve({ provider: "openai", handler: async ({ body }) => ({ body }) }));
        const client = stack.use(await system.orchestrator());
        await client.request({ provider: "openai", model: "m", intent: "chat", body: Buffer.from("{}") });
        before = await eventually(async () => {
          const stores = await readStores(system.nats);
          const written = ["$KV.SCBE_TRUST.state", "$KV.SCBE_CONTROL.verifiers"];
          return written.some((key) => stores.get(key) === "absent") ? undefined : stores;
        });
        await tap.settle();
        heardBefore = tap.messages.length;
        sent = await walkBus(system.nats, usersOf(system.nats));
        await tap.settle();
      }, 180_000);
      afterAll(() => stack.disposeAsync());

      it("the walk covers every user with over 10,000 messages", () => {
        expect(usersOf(system.nats).length).toBeGreaterThan(9);
        expect(sent).toBeGreaterThan(10_000);
      });

      it("only owners change stored records, and no record is lost", async () => {
        const after = await readStores(system.nats);
        expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
        for (const [name, value] of before) expect([name, after.get(name)]).toEqual([name, value]);
      });

      it("answers arrive only in the requesting user's inbox", async () => {
        await tap.settle();
        const isTarget = (subject: string): boolean => (TARGETS as readonly string[]).includes(subject);
        // Every message of the walk names a reply subject, and no answer does.
        const answers = tap.messages
          .slice(heardBefore)
          .filter(({ subject, reply }) => isTarget(subject) && !isTarget(reply));
        expect(answers.map(({ subject, data }) => `${subject} ${data.toString().slice(0, 60)}`)).toEqual([]);
      });

      it("a user's messages are heard only on the subjects of its own row", () => {
        const rows = new Map(usersOf(system.nats).map((user) => [user.name, user.publish]));
        const patterns = [...rows.values()].flat().map(toPattern);
        const strays = tap.messages
          .slice(heardBefore)
          .filter(
            ({ subject, reply }) =>
              (TARGETS as readonly string[]).includes(reply) &&
              !patterns.some((pattern) => pattern.test(subject)),
          );
        expect(strays.map(({ subject }) => subject)).toEqual([]);
      });

      it("every service still answers", async () => {
        const client = stack.use(await system.orchestrator());
        const answer = await client.request({
          ...{ provider: "openai", model: "m", intent: "chat" },
          body: Buffer.from('{"after":"the walk"}'),
          timeoutMs: 20_000,
        });
        expect(Buffer.from(answer.body).toString()).toContain("the walk");
      }, 60_000);
    },
  );

  describe.skipIf(program === undefined)("the walk itself", () => {
    it("finds the hole of a bus whose account has JetStream, if a user may publish to its API", async () => {
      await using nats = await startSecuredNats({ program, provisioned: false });
      const [user, ...others] = usersOf(nats).filter(({ role }) => role === "gateway");
      if (user === undefined) throw new Error("no gateway");
      expect(others).toEqual([]);
      const right = "$JS.API.DIRECT.GET.KV_SCBE_KEYRING.$KV.SCBE_KEYRING.ring";
      giveJetStream(nats, user.nkeySeedFile, right);
      await nats.server.restart();
      await using ring = await makeRing(nats);
      expect(await ring.read()).toBe("the ring");
      await walkBus(nats, [{ ...user, publish: [right] }]);
      expect(await ring.read()).not.toBe("the ring");
    }, 60_000);
  });
});

function usersOf({ credentials }: SecuredNats): WalkingUser[] {
  return credentials.users.map(({ name, role, providers, intents }) => ({
    ...{ name, role, nkeySeedFile: credentials.seedFile(name) },
    publish: permissionsOf({ name, role, providers, ...(intents && { intents }) }, ACCESS).publish,
  }));
}

/** Keys that their owner renews all the time. */
const RENEWED = /\.(leader|epoch|relay|document|state|verifiers)$/;

/**
 * The stored records by account and subject: the newest value of a key, and the number of events. For a renewed key, whether its
 * owner wrote the value.
 */
async function readStores(nats: SecuredNats): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const account of STORE_ACCOUNTS) {
    await using raw = await connectRawStore(nats, account);
    const manager = await raw.connection.jetstreamManager({ checkAPI: false });
    for (const { stream, keys } of storesOf(account)) {
      if (keys === undefined) {
        const { state } = await manager.streams.info(stream);
        found.set(`${stream} messages`, String(state.messages));
        continue;
      }
      for (const key of keys) {
        const subject = `$KV.${stream.slice(3)}.${key}`;
        const message = await manager.streams
          .getMessage(stream, { last_by_subj: subject })
          .catch(() => undefined);
        found.set(subject, message === undefined ? "absent" : textOf(subject, message));
      }
    }
  }
  return found;
}

function textOf(subject: string, { data, header }: StoredMsg): string {
  const text = Buffer.from(data).toString("utf8");
  const operation = header.get("KV-Operation");
  if (operation !== "") return `operation ${operation}`;
  if (!RENEWED.test(subject) || subject === "$KV.SCBE_CONTROL.state") return text;
  return JSON.parse(text) !== null ? "an owner's record" : "none";
}

function storesOf(
  account: string,
): readonly { readonly stream: string; readonly keys?: readonly string[] }[] {
  const all: Readonly<Record<string, { stream: string; keys?: readonly string[] }[]>> = {
    keyring: [{ stream: "KV_SCBE_KEYRING", keys: ["ring"] }],
    replay: [{ stream: "KV_SCBE_REPLAY", keys: ["epoch"] }, { stream: "SCBE_SECURITY" }],
    control: [
      { stream: "KV_SCBE_CONTROL", keys: ["state", "leader", "canary", "acted", "trust_words", "verifiers"] },
      { stream: "SCBE_AUDIT" },
    ],
    trust: [{ stream: "KV_SCBE_TRUST", keys: ["document", "state", "leader", "relay"] }],
  };
  return all[account] ?? [];
}

/** Gives the bus's account JetStream, and one user a right on its API, as before stores had accounts of their own. */
function giveJetStream({ credentials }: SecuredNats, seedFile: string, right: string): void {
  const user = credentials.users.find(({ name }) => credentials.seedFile(name) === seedFile);
  const config = readFileSync(credentials.configFile, "utf8")
    .replace("  SCBE_DEV {\n", "  SCBE_DEV {\n    jetstream { max_streams: 10 }\n")
    .replace("    users: [", `    users: [\n      { user: owner, password: owner }`)
    .replace(
      new RegExp(`(nkey: ${user?.nkey}, permissions: \\{\\s+publish: \\{ allow: \\[)`),
      `$1\n          ${JSON.stringify(right)}`,
    );
  writeFileSync(credentials.configFile, config);
}

async function makeRing(nats: SecuredNats) {
  const owner = await connect({ servers: nats.url, user: "owner", pass: "owner", reconnect: false });
  const manager = await owner.jetstreamManager();
  await manager.streams.add({
    name: "KV_SCBE_KEYRING",
    subjects: ["$KV.SCBE_KEYRING.>"],
    max_msgs_per_subject: 1,
    allow_direct: true,
  });
  await owner.jetstream().publish("$KV.SCBE_KEYRING.ring", "the ring");
  return {
    read: async () => {
      const last = { last_by_subj: "$KV.SCBE_KEYRING.ring" };
      const message = await manager.streams.getMessage("KV_SCBE_KEYRING", last).catch(() => undefined);
      return message && Buffer.from(message.data).toString();
    },
    [Symbol.asyncDispose]: () => owner.close(),
  };
}
