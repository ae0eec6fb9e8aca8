import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUCKETS, KV_KEYS, SUBJECTS, subjectFor } from "@scbe/contracts";
import { decodeRequests } from "@scbe/examples/decode-requests";
import { PROVIDER_NAMES } from "@scbe/examples/providers";
import { createTempDir, eventually, findServer, type TempDir } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Finder, type Needle, needlesOfBody, needlesOfSecret } from "./kit/find-bytes.ts";
import { atEnvelopeService, heard, needlesOfKeys, sessionsHeard } from "./kit/heard-on-bus.ts";
import { type KnownKeys, keysOf } from "./kit/known-keys.ts";
import { logsIn } from "./kit/logs-in.ts";
import { type Spine, startSpine } from "./kit/spine.ts";
import { startTap } from "./kit/start-tap.ts";
import { sendRequest } from "./plain-nats/caller.ts";
import { connectUser, type PlainConnection } from "./plain-nats/connect-user.ts";
import { servePlain } from "./plain-nats/gateway.ts";
import { connectTap, createFullUser, fullUserLine, type Tap, USERS_LINE } from "./plain-nats/tap.ts";
import { type Launcher, startLauncher } from "./start/launcher.ts";

const RING_SUBJECT = `$KV.${BUCKETS.keyring}.${KV_KEYS.ring}`;

/** The ring as the tap has heard the keyring write it. */
function ringHeard({ messages }: Tap): string {
  const record = messages.findLast(({ subject }) => subject === RING_SUBJECT);
  if (record === undefined) throw new Error("the tap has not heard the ring being written");
  return record.data.toString();
}

function countOn(subject: string, { messages }: Tap): number {
  return messages.filter((message) => message.subject.startsWith(subject)).length;
}

describe("a listener with every right, while plain callers have the envelope service seal and open for them,", () => {
  const served = { providers: ["openai", "anthropic"], intents: ["chat"] };
  const question = Buffer.from(JSON.stringify({ ask: "Was kostet ein Kilo Äpfel in Zürich?", n: 4711 }));
  const answer = Buffer.from(JSON.stringify({ text: "Das hängt von der Sorte ab, mein Freund.", n: 4712 }));
  const bodies = [...needlesOfBody("the question", question), ...needlesOfBody("the answer", answer)];
  let spine: Spine;
  let tap: Tap;
  let keys: KnownKeys;
  let users: PlainConnection[];

  beforeAll(async () => {
    spine = await startSpine({
      ...served,
      onNats: async (nats) => {
        tap = await startTap(nats);
      },
    });
    users = await Promise.all(["orchestrator", "gateway-openai", "gateway-anthropic"].map(plainUser));
    const [caller, ...gateways] = users;
    for (const [index, connection] of gateways.entries()) {
      const provider = served.providers[index] ?? "";
      await servePlain(connection, { provider, handler: () => answer });
    }
    for (const provider of served.providers) {
      if (caller === undefined) throw new Error("no caller");
      const request = { provider, model: "m", intent: "chat", body: question, timeoutMs: 10_000 };
      expect(Buffer.from((await sendRequest(caller, request)).body)).toEqual(answer);
    }
    await tap.settle();
    keys = await keysOf(ringHeard(tap), spine.kmsKeyFile);
  });
  afterAll(async () => {
    await Promise.all(users?.map(({ nats }) => nats.close()) ?? []);
    await tap?.[Symbol.asyncDispose]();
    await spine?.[Symbol.asyncDispose]();
  });

  function plainUser(name: string): Promise<PlainConnection> {
    const seedFile = spine.nats.credentials.seedFile(name);
    return connectUser({ name, servers: [spine.nats.url], seedFile });
  }

  /** Everything that is looked for in the tests of keys below, and found nowhere. */
  function secrets(): Needle[] {
    const sessions = sessionsHeard(tap.messages);
    // Two providers, each with a session for its requests and one for its responses.
    expect(sessions).toHaveLength(4);
    const [, kmsKey = ""] = readFileSync(spine.kmsKeyFile, "utf8").trim().split(" ");
    return [
      ...needlesOfKeys(keys, served, sessions),
      ...needlesOfSecret("the KMS key", Buffer.from(kmsKey, "base64url")),
    ];
  }

  test("has heard everything: the grants, the requests, the admits", () => {
    // The envelope service asks for each provider.
    expect(countOn(SUBJECTS.grant, tap)).toBeGreaterThanOrEqual(2);
    expect(countOn(SUBJECTS.request, tap)).toBe(2);
    expect(countOn(SUBJECTS.admit, tap)).toBe(2);
  });

  test("hears a body that is sent unsealed, on purpose", async () => {
    const before = tap.messages.length;
    const unsealed = Buffer.concat([Buffer.from("no envelope: "), question]);
    await tap.publish(subjectFor("request", "openai"), unsealed);
    await tap.settle();
    const { outside } = atEnvelopeService(tap.messages.slice(before));
    expect(heard(outside, bodies)).toEqual([`the question on ${subjectFor("request", "openai")}`]);
  });

  test.each([
    ["raw", (key: Buffer) => key],
    ["the second half", (key: Buffer) => key.subarray(16)],
    ["hex", (key: Buffer) => Buffer.from(key.toString("hex"))],
    ["base64", (key: Buffer) => Buffer.from(key.toString("base64"))],
    ["base64url", (key: Buffer) => Buffer.from(key.toString("base64url"))],
    [
      "base64 with something else before it",
      (key: Buffer) =>
        Buffer.from(Buffer.concat([Buffer.from("x"), key, Buffer.from("y")]).toString("base64")),
    ],
  ])("would hear a key as %s", async (_case, encode) => {
    const needles = secrets();
    const before = tap.messages.length;
    await tap.publish(
      "leak",
      Buffer.concat([Buffer.from('{"key":"'), encode(keys.subkey("k_enc", "openai", "chat"))]),
    );
    await tap.settle();
    expect(heard(tap.messages.slice(before), needles)).toEqual(["k_enc of openai/chat on leak"]);
  });

  test("hears bodies on the envelope service's subjects and their replies, and nowhere else", () => {
    const { inside, outside } = atEnvelopeService(tap.messages.filter(isOfTheSystem));
    expect(heard(inside, bodies)).toEqual(
      expect.arrayContaining([
        `the question on ${subjectFor("sealRequest", "openai")}`,
        `the answer on ${subjectFor("sealResponse", "anthropic")}`,
      ]),
    );
    expect(heard(outside, bodies)).toEqual([]);
  });

  test("hears no key", () => {
    expect(heard(tap.messages.filter(isOfTheSystem), secrets())).toEqual([]);
  });

  /** Not what the tests above have sent themselves. */
  const isOfTheSystem = ({ subject, data }: { subject: string; data: Buffer }): boolean =>
    subject !== "leak" && !data.includes("no envelope: ");
});

describe("a listener with every right, during `npm start -- --once`,", () => {
  let folder: TempDir;
  let tap: Tap;
  let launcher: Launcher;
  const examples = decodeRequests(readFileSync(new URL("../examples/requests.jsonl", import.meta.url)));

  beforeAll(async () => {
    folder = createTempDir();
    const user = createFullUser();
    const portFile = join(folder.path, "nats.port");
    const local = join(folder.path, "local");
    launcher = startLauncher(local, ["--once", "--json", "--ports", "auto"], {
      SCBE_NATS_SERVER: writeServer(folder.path, fullUserLine(user), portFile),
      LOG_LEVEL: "trace",
    });
    const port = await eventually(() => existsSync(portFile) && readFileSync(portFile, "utf8").trim(), {
      timeoutMs: 60_000,
      everyMs: 5,
    });
    tap = await eventually(() => connectTap(`nats://127.0.0.1:${port}`, user), { everyMs: 5 });
    expect(await launcher.npm.exited).toMatchObject({ code: 0 });
  }, 120_000);
  afterAll(async () => {
    await tap?.[Symbol.asyncDispose]();
    await launcher?.[Symbol.asyncDispose]();
    folder?.[Symbol.dispose]();
  });

  test("has heard everything: the ring being made, the grants, every example", () => {
    expect(JSON.parse(launcher.npm.stdout)).toMatchObject({ ok: true });
    expect(JSON.parse(ringHeard(tap)).ring).toContain('"active"');
    // Each gateway asks for its provider; the envelope service and the orchestrator for all of them.
    expect(countOn(SUBJECTS.grant, tap)).toBeGreaterThanOrEqual(3 * PROVIDER_NAMES.length);
    expect(countOn(SUBJECTS.request, tap)).toBeGreaterThanOrEqual(examples.length);
  });

  const bodies = [
    ...examples.flatMap(({ id, body }) => needlesOfBody(`the body of ${id}`, Buffer.from(body))),
    ...needlesOfBody("an answer", Buffer.from("stand-in for ")),
  ];

  test("hears bodies and answers where the envelope service is asked, and nowhere else", () => {
    const { inside, outside } = atEnvelopeService(tap.messages);
    expect(heard(inside, bodies)).not.toEqual([]);
    expect(heard(outside, bodies)).toEqual([]);
  });

  test("hears no key, and a reader of all logs at the most talkative level no key, seed, password or body", async () => {
    const local = join(folder.path, "local");
    const keys = await keysOf(ringHeard(tap), join(local, "kms.key"));
    const sessions = sessionsHeard(tap.messages);
    expect(new Set(sessions.map(({ provider, phase }) => `${provider} ${phase}`)).size).toBe(
      2 * PROVIDER_NAMES.length,
    );
    const served = { providers: PROVIDER_NAMES, intents: ["chat"] };
    const ofKeys = needlesOfKeys(keys, served, sessions);
    expect(heard(tap.messages, ofKeys)).toEqual([]);

    const logs = logsIn(join(local, "logs"));
    const finder = new Finder([...bodies, ...ofKeys, ...textsKeptSecret(local)]);
    expect(logs.filter(({ bytes }) => bytes.includes('"level":"debug"')).length).toBeGreaterThan(6);
    expect(logs.flatMap(({ name, bytes }) => finder.find(bytes).map((it) => `${it} in ${name}`))).toEqual([]);
  });
});

/** Seeds and keys as they stand in the files of the local stack. */
function textsKeptSecret(local: string): Needle[] {
  const credentials = join(local, "credentials");
  const seeds = readdirSync(credentials).filter((name) => name.endsWith(".seed"));
  const [, password = ""] =
    /^requirepass (\S+)$/m.exec(readFileSync(join(local, "redis", "redis.conf"), "utf8")) ?? [];
  const [, kmsKey = ""] = readFileSync(join(local, "kms.key"), "utf8").trim().split(" ");
  expect([seeds.length > 0, password.length > 0, kmsKey.length > 0]).toEqual([true, true, true]);
  return [
    ...seeds.map((name) => ({ is: name, bytes: readFileSync(join(credentials, name)) })),
    { is: "the password of Redis", bytes: Buffer.from(password) },
    { is: "the KMS key", bytes: Buffer.from(kmsKey) },
  ];
}

/** The real nats-server, started with one more user; says on which port it listens. */
function writeServer(dir: string, userLine: string, portFile: string): string {
  const path = join(dir, "nats-server");
  const config = join(dir, "tapped.conf");
  writeFileSync(
    path,
    [
      "#!/bin/sh",
      "# called as: -c CONFIG -a ADDRESS -p PORT ...",
      `awk -v user='${userLine}' '{ print } $0 == "${USERS_LINE}" { print user }' "$2" > '${config}' || exit 1`,
      `echo "$6" > '${portFile}.new' && mv '${portFile}.new' '${portFile}'`,
      `shift 2 && exec '${findServer("nats-server")}' -c '${config}' "$@"`,
      "",
    ].join("\n"),
  );
  chmodSync(path, 0o700);
  return path;
}
