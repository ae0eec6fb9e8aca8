import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SUBJECTS, subjectOf } from "@scbe/contracts";
import { decodeRequests } from "@scbe/examples/decode-requests";
import { PROVIDER_NAMES } from "@scbe/examples/providers";
import { candidatePort } from "@scbe/local-stack";
import { createTempDir, eventually, findServer, type SecuredNats, type TempDir } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Finder, logsIn, type Needle, needlesOfBody, needlesOfSecret } from "../kit/find-bytes.ts";
import { atEnvelopeService, heard, needlesOfKeys, sessionsHeard } from "../kit/heard-on-bus.ts";
import { type KnownKeys, keysOf, knownKeys, readRing } from "../kit/known-keys.ts";
import { type System, startSystem } from "../kit/system.ts";
import { connectTap, createFullUser, fullUserLine, startTap, type Tap, USERS_LINE } from "../kit/tap.ts";
import { type Launcher, startLauncher } from "../launcher/launcher.ts";
import { sendRequest } from "./plain-nats/caller.ts";
import { connectUser, type PlainConnection, type PlainUser } from "./plain-nats/connect-user.ts";
import { servePlain } from "./plain-nats/gateway.ts";

function countOn(subject: string, { messages }: Tap): number {
  return messages.filter((message) => message.subject.startsWith(subject)).length;
}

describe("a listener with every right, while plain callers seal and open through the envelope service,", () => {
  const served = { providers: ["openai", "anthropic"], intents: ["chat"] };
  const requestBody = Buffer.from(JSON.stringify({ ask: "Was kostet ein Kilo Äpfel in Zürich?", n: 4711 }));
  const answer = Buffer.from(JSON.stringify({ text: "Das hängt von der Sorte ab, mein Freund.", n: 4712 }));
  const bodies = [...needlesOfBody("the request", requestBody), ...needlesOfBody("the answer", answer)];
  let system: System;
  let tap: Tap;
  let keys: KnownKeys;
  let users: PlainConnection[];

  beforeAll(async () => {
    system = await startSystem({
      ...served,
      onNats: async (nats) => {
        tap = await startTap(nats);
      },
    });
    users = await Promise.all([
      plainUser("orchestrator", "orchestrator"),
      plainUser("gateway-openai", "gateway"),
      plainUser("gateway-anthropic", "gateway"),
    ]);
    const [caller, ...gateways] = users;
    for (const [index, connection] of gateways.entries()) {
      const provider = served.providers[index] ?? "";
      await servePlain(connection, { provider, intents: ["chat"], handler: () => answer });
    }
    for (const provider of served.providers) {
      if (caller === undefined) throw new Error("no caller");
      const request = { provider, model: "m", intent: "chat", body: requestBody, timeoutMs: 10_000 };
      expect(Buffer.from((await sendRequest(caller, request)).body)).toEqual(answer);
    }
    await tap.settle();
    keys = await knownKeys(system);
  });
  afterAll(async () => {
    await Promise.all(users?.map(({ nats }) => nats.close()) ?? []);
    await tap?.[Symbol.asyncDispose]();
    await system?.[Symbol.asyncDispose]();
  });

  function plainUser(name: string, role: PlainUser["role"]): Promise<PlainConnection> {
    const seedFile = system.nats.credentials.seedFile(name);
    return connectUser({ name, role, servers: [system.nats.url], seedFile });
  }

  /** All secrets that the tests below search for and must not find. */
  function secrets(): Needle[] {
    const sessions = sessionsHeard(tap.messages);
    // Two providers, each with one session for requests and one for responses.
    expect(sessions).toHaveLength(4);
    const [, kmsKey = ""] = readFileSync(system.kmsKeyFile, "utf8").trim().split(" ");
    return [
      ...needlesOfKeys(keys, served, sessions),
      ...needlesOfSecret("the KMS key", Buffer.from(kmsKey, "base64url")),
    ];
  }

  test("hears everything: grants, requests and admits", () => {
    // The envelope service requests a grant for each provider.
    expect(countOn(SUBJECTS.grant, tap)).toBeGreaterThanOrEqual(2);
    expect(countOn(SUBJECTS.request, tap)).toBe(2);
    expect(countOn(SUBJECTS.admit, tap)).toBe(2);
  });

  test("hears a body that a test sends unsealed", async () => {
    const before = tap.messages.length;
    const unsealed = Buffer.concat([Buffer.from("no envelope: "), requestBody]);
    await tap.publish(subjectOf("request", { user: "tap", provider: "openai" }), unsealed);
    await tap.settle();
    const { outside } = atEnvelopeService(tap.messages.slice(before));
    expect(heard(outside, bodies)).toEqual([
      `the request on ${subjectOf("request", { user: "tap", provider: "openai" })}`,
    ]);
  });

  test.each([
    ["raw", (key: Buffer) => key],
    ["the second half", (key: Buffer) => key.subarray(16)],
    ["hex", (key: Buffer) => Buffer.from(key.toString("hex"))],
    ["base64", (key: Buffer) => Buffer.from(key.toString("base64"))],
    ["base64url", (key: Buffer) => Buffer.from(key.toString("base64url"))],
    [
      "base64 with a prefix",
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

  test("hears bodies only on the envelope service's subjects and their replies", () => {
    const { inside, outside } = atEnvelopeService(tap.messages.filter(isOfTheSystem));
    expect(heard(inside, bodies)).toEqual(
      expect.arrayContaining([
        `the request on ${subjectOf("sealRequest", { user: "orchestrator", provider: "openai", intent: "chat" })}`,
        `the answer on ${subjectOf("sealResponse", { user: "gateway-anthropic", provider: "anthropic", intent: "chat" })}`,
      ]),
    );
    expect(heard(outside, bodies)).toEqual([]);
  });

  test("hears no key", () => {
    expect(heard(tap.messages.filter(isOfTheSystem), secrets())).toEqual([]);
  });

  /** Without the messages of the tests above. */
  const isOfTheSystem = ({ subject, data }: { subject: string; data: Buffer }): boolean =>
    subject !== "leak" && !data.includes("no envelope: ");
});

/** The store accounts of `npm start`, with the seeds in its folder. */
function storesOf(local: string, url: string): Pick<SecuredNats, "storeTransport"> {
  const seedOf = (name: string): string => join(local, "credentials", `${name}.seed`);
  return {
    storeTransport: (account, user = "store") => ({
      ...{ servers: [url], account, user },
      nkeySeedFile: seedOf(`${account}.${user}`),
    }),
  };
}

describe("a listener with every right, during `npm start -- --once`,", () => {
  let folder: TempDir;
  let tap: Tap;
  let launcher: Launcher;
  let ring: string;
  const examples = decodeRequests(readFileSync(new URL("../../examples/requests.jsonl", import.meta.url)));

  beforeAll(async () => {
    folder = createTempDir();
    const [user, port] = [createFullUser(), candidatePort()];
    const local = join(folder.path, "local");
    launcher = startLauncher(local, ["--once", "--json", "--ports", "auto"], {
      SCBE_NATS_SERVER: writeServer(folder.path, fullUserLine(user), port),
      LOG_LEVEL: "trace",
    });
    const url = `nats://127.0.0.1:${port}`;
    tap = await eventually(() => connectTap(url, user), { timeoutMs: 60_000, everyMs: 5 });
    ring = await eventually(() => readRing(storesOf(local, url)).catch(() => undefined), {
      timeoutMs: 60_000,
    });
    expect(await launcher.npm.exited).toMatchObject({ code: 0 });
  }, 120_000);
  afterAll(async () => {
    await tap?.[Symbol.asyncDispose]();
    await launcher?.[Symbol.asyncDispose]();
    folder?.[Symbol.dispose]();
  });

  test("hears everything on the bus, grants and every example, and nothing of the stores", () => {
    expect(JSON.parse(launcher.npm.stdout)).toMatchObject({ ok: true });
    expect(JSON.parse(ring).ring).toContain('"active"');
    expect(tap.messages.filter(({ subject }) => subject.startsWith("$KV."))).toEqual([]);
    // Each gateway requests a grant for its provider, and the envelope service and the orchestrator for all providers.
    expect(countOn(SUBJECTS.grant, tap)).toBeGreaterThanOrEqual(3 * PROVIDER_NAMES.length);
    expect(countOn(SUBJECTS.request, tap)).toBeGreaterThanOrEqual(examples.length);
  });

  const bodies = [
    ...examples.flatMap(({ id, body }) => needlesOfBody(`the body of ${id}`, Buffer.from(body))),
    ...needlesOfBody("an answer", Buffer.from("stand-in for ")),
  ];

  test("hears bodies and answers only in requests to the envelope service and their replies", () => {
    const { inside, outside } = atEnvelopeService(tap.messages);
    expect(heard(inside, bodies)).not.toEqual([]);
    expect(heard(outside, bodies)).toEqual([]);
  });

  test("hears no key, and all logs at the trace level hold no key, seed, password or body", async () => {
    const local = join(folder.path, "local");
    const keys = await keysOf(ring, join(local, "kms.key"));
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

/** The texts of seeds and keys in the files of the local stack. */
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

/** A script that starts the real nats-server with one more user, on a known port. */
function writeServer(dir: string, userLine: string, port: number): string {
  const path = join(dir, "nats-server");
  const config = join(dir, "tapped.conf");
  writeFileSync(
    path,
    [
      "#!/bin/sh",
      "# called as: -c CONFIG -a ADDRESS -p PORT ...; the first account is the bus",
      `awk -v user='${userLine}' '{ print } $0 == "${USERS_LINE}" && !done++ { print user }' "$2" > '${config}' || exit 1`,
      `shift 2 && exec '${findServer("nats-server")}' -c '${config}' "$@" -p ${port}`,
      "",
    ].join("\n"),
  );
  chmodSync(path, 0o700);
  return path;
}
