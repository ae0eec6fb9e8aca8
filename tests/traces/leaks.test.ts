import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { withTrace } from "@scbe/bus";
import type { Client } from "@scbe/client";
import { decodeRequests } from "@scbe/examples/decode-requests";
import { PROVIDER_NAMES } from "@scbe/examples/providers";
import { sendRequests } from "@scbe/examples/send-requests";
import { collectLogs, eventually, type RunningProcess, requireTool } from "@scbe/testkit";
import { Gauge, Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask } from "../access/plain-nats/ask.ts";
import { connectUser } from "../access/plain-nats/connect-user.ts";
import { sealTraced, sendTraced } from "../access/plain-nats/traced-caller.ts";
import { startExample } from "../kit/example-program.ts";
import { type Needle, needlesOfBody, needlesOfSecret } from "../kit/find-bytes.ts";
import {
  type Evidence,
  evidence,
  foundIn,
  heard,
  needlesOfEnvelopes,
  needlesOfKeys,
  sessionsHeard,
  spansOfAll,
} from "../kit/heard-on-bus.ts";
import { forge, headerOf, type KnownKeys, knownKeys } from "../kit/known-keys.ts";
import { rawCaller } from "../kit/raw-clients.ts";
import { ARRIVAL, startTracedSystem, type TracedSystem } from "./traced-system.ts";

const TRACED = "traced";
const providers = [...PROVIDER_NAMES, TRACED];
const intents = ["chat", "tools"];
/** Longer than the defaults, so that a slow machine causes no refusals. */
const TIMEOUTS = {
  SCBE_ADMIT_TIMEOUT_MS: "2500",
  SCBE_NOISE_FLOOR_MS: "3000",
  SCBE_ACCEPT_TIMEOUT_MS: "5000",
};
const examples = decodeRequests(readFileSync(new URL("../../examples/requests.jsonl", import.meta.url)));

/** Texts that no process may write. The short ones are the part that a parser's error would quote. */
const REDIS_PASSWORD = `redis-${randomBytes(12).toString("hex")}`;
const PROVIDER_KEY = `sk-${randomBytes(12).toString("hex")}`;
const COLLECTOR_TOKEN = randomBytes(12).toString("hex");
const NO_CHAT = Buffer.from(`Qx7#Vy and more that is no chat at all, ${randomBytes(24).toString("hex")}`);
const ECHOED = Buffer.from(`the traced gateway echoes ${randomBytes(24).toString("hex")}`);
const NO_ENVELOPE = Buffer.from(`this is no envelope: ${randomBytes(24).toString("hex")}`);

describe.skipIf(!requireTool("jaeger").ok)("after a run of all processes with attacks and failures,", () => {
  let traced: TracedSystem;
  let keys: KnownKeys;
  let needles: Needle[];
  const collected: Evidence[] = [];

  beforeAll(async () => {
    traced = await startTracedSystem({
      providers,
      intents,
      redisPassword: REDIS_PASSWORD,
      examples: PROVIDER_NAMES,
      variables: {
        ...TIMEOUTS,
        LOG_LEVEL: "trace",
        OTEL_EXPORTER_OTLP_HEADERS: `authorization=${COLLECTOR_TOKEN}`,
      },
      gatewayVariables: (provider, url) =>
        provider === "openai"
          ? { OPENAI_API_KEY: PROVIDER_KEY, SCBE_PROVIDER_URL_OPENAI: `${url}/openai/v1` }
          : {},
    });
    keys = await knownKeys(traced.system);
    const tracedGateway = await traced.startTracedGateway(TRACED);
    await sendEverything();
    await collectMetrics();
    await collectLogsOf(tracedGateway);
    await eventually(async () => (await traced.jaeger.services()).length === providers.length + 4, ARRIVAL);
    collected.push(...(await spansOfAll(traced.jaeger)));
    await traced.tap.settle();
    needles = everySecret();
  }, 180_000);
  afterAll(() => traced?.[Symbol.asyncDispose]());

  async function sendEverything(): Promise<void> {
    const logs = collectLogs({ name: "orchestrator" });
    const metrics = new Registry();
    const client = await traced.system.orchestrator({ log: logs.log, metrics });
    for await (const row of sendRequests(client, examples)) expect(row).toMatchObject({ verdict: "ok" });
    expect(await codesOf(client)).toEqual(["REFUSED", "HANDLER_FAILED", "BAD_REQUEST", "NO_KEYS", undefined]);
    await attack();
    await callPlainly();
    collected.push(evidence("metrics of the client", await metrics.metrics()));
    await client[Symbol.asyncDispose]();
    collected.push(evidence("logs of the client", logs.text));
    const program = startExample(traced.system, "orchestrator", { user: "orchestrator", args: ["--json"] });
    expect(await program.exited).toMatchObject({ code: 0 });
    collected.push(evidence("logs of orchestrator", program.stdout + program.stderr));
  }

  /** Requests that fail in every way, and one that is echoed. */
  function codesOf(client: Client): Promise<(string | undefined)[]> {
    const asked = { provider: TRACED, model: "m-1", intent: "chat", body: ECHOED, timeoutMs: 10_000 };
    const requests = [
      { ...asked, intent: "tools" },
      { ...asked, body: Buffer.from("fail") },
      { ...asked, provider: "openai", body: NO_CHAT },
      { ...asked, provider: "unknown" },
      asked,
    ];
    return Promise.all(
      requests.map((request) =>
        client.request(request).then(
          () => undefined,
          (error: { code?: string }) => error.code,
        ),
      ),
    );
  }

  /** Forgeries, replays, a reused nonce, and bytes that are not an envelope. */
  async function attack(): Promise<void> {
    await using caller = await rawCaller(traced.system);
    const asked = { provider: TRACED, model: "m-1", intent: "chat", body: ECHOED };
    const { bytes } = caller.verifier.sealer.sealRequest({ ...asked, requestId: crypto.randomUUID() });
    expect(await caller.send(TRACED, bytes)).toMatchObject({ status: "sealed" });
    const altered = Buffer.from(bytes);
    altered.writeUInt8(altered.readUInt8(altered.length - 20) ^ 1, altered.length - 20);
    const reused = forge(keys, headerOf(bytes), NO_CHAT);
    const stale = forge(keys, { ...headerOf(bytes), ts: 1_700_000_000_000 }, ECHOED);
    const all = [bytes, altered, reused, stale, NO_ENVELOPE];
    const answers = await Promise.all(all.map((it) => caller.send(TRACED, it)));
    expect(answers.map(({ status }) => status)).toEqual(all.map(() => "refused"));
  }

  /** Through the envelope service, whose process has bodies in the clear. */
  async function callPlainly(): Promise<void> {
    const { url, credentials } = traced.system.nats;
    const connect = (name: string, role: "orchestrator" | "gateway") =>
      connectUser({ name, role, servers: [url], seedFile: credentials.seedFile(name) });
    const [caller, gateway] = await Promise.all([
      connect("orchestrator", "orchestrator"),
      connect(`gateway-${TRACED}`, "gateway"),
    ]);
    const sealed = await sealTraced(caller, TRACED, ECHOED);
    await sendTraced(caller, TRACED, sealed, sealed.trace);
    const opening = `scbe.v1.envelope.open.request.gateway-${TRACED}.${TRACED}.chat`;
    const second = await sealTraced(caller, TRACED, ECHOED);
    for (const data of [second.envelope, second.envelope, NO_ENVELOPE]) await ask(gateway, opening, data);
    await ask(
      gateway,
      `scbe.v1.envelope.seal.response.gateway-${TRACED}.${TRACED}.chat`,
      ECHOED,
      second.binding,
    );
    const malformed = { "scbe-model": "two words" };
    const sealing = `scbe.v1.envelope.seal.request.orchestrator.${TRACED}.chat`;
    await expect(ask(caller, sealing, NO_CHAT, malformed)).rejects.toMatchObject({ code: "BAD_REQUEST" });
    await Promise.all([caller.nats.close(), gateway.nats.close()]);
  }

  async function collectMetrics(): Promise<void> {
    const { system, gateways } = traced;
    const urls = [system.keyring, system.envelope, ...system.guards].map(
      (it) => [it?.name, it?.opsUrl] as const,
    );
    const ofGateways = [...gateways].map(
      ([provider, { stdout }]) =>
        [`gateway-${provider}`, `http://127.0.0.1:${/"opsPort":(\d+)/.exec(stdout)?.[1]}`] as const,
    );
    for (const [name, url] of [...urls, ...ofGateways]) {
      collected.push(evidence(`metrics of ${name}`, await (await fetch(`${url}/metrics`)).text()));
    }
  }

  /** Stops every process and collects its output to the end. */
  async function collectLogsOf(tracedGateway: RunningProcess): Promise<void> {
    const { system, gateways, standIn } = traced;
    const services = [system.envelope, ...system.guards, system.keyring].flatMap((it) =>
      it === undefined ? [] : [it],
    );
    const processes = [
      ["gateway-traced", tracedGateway] as const,
      ...[...gateways].map(([provider, process]) => [`gateway-${provider}`, process] as const),
      ...services.map(({ name, process }) => [name, process] as const),
      ["the stand-in", standIn] as const,
    ];
    for (const [name, process] of processes) {
      process.signal("SIGTERM");
      expect([name, await process.exited]).toEqual([name, { code: 0, signal: null }]);
      collected.push(evidence(`logs of ${name}`, process.stdout + process.stderr));
    }
  }

  function everySecret(): Needle[] {
    const { system, tap } = traced;
    const { credentials } = system.nats;
    const users = [
      "keyring",
      "replay-guard",
      "envelope",
      "orchestrator",
      ...providers.map((it) => `gateway-${it}`),
    ];
    const [, kmsKey = ""] = readFileSync(system.kmsKeyFile, "utf8").trim().split(" ");
    const text = (is: string, value: string): Needle => ({ is, bytes: Buffer.from(value) });
    return [
      ...examples.flatMap(({ body }) => needlesOfBody("an example's body", Buffer.from(body))),
      ...[ECHOED, NO_CHAT, NO_ENVELOPE].flatMap((body) => needlesOfBody("a body", body)),
      text("a body", NO_CHAT.toString().slice(0, 6)),
      ...needlesOfBody("an answer", Buffer.from("stand-in for ")),
      ...needlesOfKeys(keys, { providers, intents }, sessionsHeard(tap.messages)),
      ...needlesOfSecret("the KMS key", Buffer.from(kmsKey, "base64url")),
      ...needlesOfEnvelopes(tap.messages),
      ...users.map((name) =>
        text(`the seed of ${name}`, readFileSync(credentials.seedFile(name), "utf8").trim()),
      ),
      text("the password of Redis", REDIS_PASSWORD),
      text("a provider's key", PROVIDER_KEY),
      text("the collector's token", COLLECTOR_TOKEN),
    ];
  }

  /** One secret of each kind, in one of the forms in which a process could write it. */
  const planted: [string, () => string][] = [
    ["an example's body", () => Buffer.from(examples[0]?.body ?? "").toString()],
    ["an example's body", () => Buffer.from(examples[2]?.body ?? "").toString("base64")],
    ["a body", () => `Unexpected token 'Q', "${NO_CHAT.toString().slice(0, 10)}"... is not valid JSON`],
    ["an answer", () => "stand-in for openai: no model ran"],
    ["the data key", () => keys.ikm.toString("hex")],
    ["k_enc of openai/chat", () => keys.subkey("k_enc", "openai", "chat").toString("base64")],
    ["k_nonce of xai/tools", () => JSON.stringify(keys.subkey("k_nonce", "xai", "tools"))],
    ["the key of a session of groq", () => sessionKey("groq").toString("base64url")],
    ["a nonce", () => `nonce=${nonceOf("nonce").toString("hex")}`],
    ["a nonce", () => nonceOf("nonce").toString("base64")],
    ["a nonce", () => [...nonceOf("nonce")].join()],
    ["a replay nonce", () => nonceOf("replay_nonce").toString("base64url")],
    ["a tag", () => lastEnvelope().subarray(-16).toString("hex").toUpperCase()],
    ["the seed of gateway-openai", () => readFileSync(seedFile(), "utf8").trim()],
    ["the password of Redis", () => `redis://:${REDIS_PASSWORD}@127.0.0.1:6379`],
    ["a provider's key", () => `Bearer ${PROVIDER_KEY}`],
    ["the collector's token", () => COLLECTOR_TOKEN],
  ];

  test.each(planted)(
    "the scan would find %s in an attribute, in a label and in a line",
    async (what, write) => {
      const value = write();
      const traceId = withTrace(
        "planted",
        { attributes: { planted: value } },
        (span) => span.spanContext().traceId,
      );
      const metrics = new Registry();
      new Gauge({ name: "planted", help: "planted", labelNames: ["value"], registers: [metrics] }).set(
        { value },
        1,
      );
      const logs = collectLogs();
      logs.log.info({ planted: value }, "planted");
      await eventually(() => traced.jaeger.trace(traceId), ARRIVAL);
      const span = await (await fetch(`${traced.jaeger.url}/api/traces/${traceId}`)).text();
      const all = [
        evidence("spans", span),
        evidence("metrics", await metrics.metrics()),
        evidence("logs", logs.text),
      ];
      expect(foundIn(all, needles)).toEqual([
        `${what} in the spans`,
        `${what} in the metrics`,
        `${what} in the logs`,
      ]);
    },
  );

  test("the scan would find bytes that were written as JSON", () => {
    const line = JSON.stringify({ planted: keys.ikm, deeper: { still: new Uint8Array(nonceOf("nonce")) } });
    const found = foundIn([evidence("logs", line)], needles);
    expect(found.toSorted()).toEqual(["a nonce in the logs", "the data key in the logs"]);
  });

  test("the scan finds the secrets that travel over the bus", () => {
    const inside = new Set(heard(traced.tap.messages, needles).map((it) => it.replace(/ on .*/, "")));
    expect([...inside]).toEqual(expect.arrayContaining(["a nonce", "a replay nonce", "a tag", "a body"]));
  });

  test("the spans, metrics and log lines of every process were collected", () => {
    const parts = ["keyring", "replay-guard", "envelope", ...providers.map((it) => `gateway-${it}`)];
    const places = new Set(collected.map((it) => it.in));
    for (const part of [...parts, "orchestrator"]) {
      expect([...places]).toEqual(expect.arrayContaining([`spans of ${part}`, `logs of ${part}`]));
    }
    const metrics = collected.filter((it) => it.in.startsWith("metrics of "));
    // The traced gateway has no metrics port, and the orchestrator is this process.
    expect(metrics).toHaveLength(parts.length);
    expect(metrics.filter(({ bytes }) => !bytes.includes("scbe_"))).toEqual([]);
    const debugs = collected.filter(({ bytes }) => bytes.includes('"level":"debug"')).map((it) => it.in);
    expect(debugs).toEqual(expect.arrayContaining(["logs of envelope", "logs of gateway-openai"]));
    const spans = collected.filter((it) => it.in.startsWith("spans of "));
    expect(spans.every(({ bytes }) => bytes.includes('"operationName"'))).toBe(true);
  });

  test("no span, metric or log line holds a body, a key, a nonce or a token", () => {
    expect(foundIn(collected, needles)).toEqual([]);
  });

  const lastEnvelope = (): Buffer => {
    const sealed = traced.tap.messages.findLast(
      ({ subject }) => subject === "scbe.v1.request.orchestrator.openai",
    );
    if (sealed === undefined) throw new Error("no request was heard");
    return sealed.data;
  };
  const nonceOf = (member: "nonce" | "replay_nonce"): Buffer =>
    Buffer.from(headerOf(lastEnvelope())[member], "base64url");
  const sessionKey = (provider: string): Buffer => {
    const session = sessionsHeard(traced.tap.messages).find((it) => it.provider === provider);
    if (session === undefined) throw new Error(`no session of ${provider} was heard`);
    return keys.session(session).key;
  };
  const seedFile = (): string => traced.system.nats.credentials.seedFile("gateway-openai");
});
