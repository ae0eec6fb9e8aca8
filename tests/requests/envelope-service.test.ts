import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { BusHeaders, BusMessage } from "@scbe/bus";
import { ENVELOPE_MEDIA_TYPE, HEADERS, STATUS, SUBJECTS, subjectOf } from "@scbe/contracts";
import { NOISE_BYTES } from "@scbe/envelope";
import { config } from "@scbe/envelope-service/config";
import { start } from "@scbe/envelope-service/service";
import { readConfig } from "@scbe/runtime";
import { connectProbe, createTestHost, eventually, startNats, startProcess } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { headerOf } from "../kit/known-keys.ts";
import { connectServiceCaller, type ServiceCaller, type ServiceRequest } from "../kit/raw-clients.ts";
import { readMetric } from "../kit/scrape.ts";
import { type System, startSystem } from "../kit/system.ts";

const CONCURRENCY = 64;
const FLOOR_MS = 700;
const MAX_PAYLOAD = 8 * 1024 * 1024;

let system: System;
let orchestrator: ServiceCaller;
let gateway: ServiceCaller;

beforeAll(async () => {
  system = await startSystem({
    providers: ["openai", "anthropic", "unserved"],
    users: [{ name: "wide", role: "orchestrator", providers: ["openai", "anthropic", "unserved"] }],
    variables: {
      SCBE_PROVIDERS: "openai,anthropic",
      SCBE_ENVELOPE_CONCURRENCY: String(CONCURRENCY),
    },
  });
  [orchestrator, gateway] = await Promise.all([
    connectServiceCaller(system, "orchestrator"),
    connectServiceCaller(system, "gateway-openai"),
  ]);
});
afterAll(async () => {
  await orchestrator?.[Symbol.asyncDispose]();
  await gateway?.[Symbol.asyncDispose]();
  await system?.[Symbol.asyncDispose]();
});

const hello = Buffer.from("Grüß Gott, Welt");
const PARAMETERS = { [HEADERS.model]: "gpt-5" };
const ID = "0190f3a4-5b6c-7d8e-9fa0-b1c2d3e4f506";
const BINDING = { ...PARAMETERS, [HEADERS.requestId]: ID, [HEADERS.inReplyTo]: "A".repeat(43) };

/** A sealed request, its sealed response, and the headers to open the response with. */
async function answered(): Promise<{ request: Uint8Array; response: Uint8Array; binding: BusHeaders }> {
  const sealed = await orchestrator.call("sealRequest", hello, { ...PARAMETERS, [HEADERS.requestId]: ID });
  const opened = await gateway.call("openRequest", sealed.data);
  const binding = { ...pick(opened, Object.keys(BINDING)), ...pick(sealed, [HEADERS.openingToken]) };
  const response = await gateway.call("sealResponse", hello, binding);
  return { request: sealed.data, response: response.data, binding };
}

function pick(message: BusMessage, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, message.header(name) ?? ""]));
}

const statusOf = (message: BusMessage): string | undefined => message.header(HEADERS.status);

describe("the way of a body", () => {
  test.each([
    ["some text", hello],
    ["nothing", Buffer.alloc(0)],
    ["bytes of any kind", randomBytes(100_000)],
  ])("%s is sealed, opened, answered and opened again, unaltered", async (_case, body) => {
    const sealed = await orchestrator.call("sealRequest", body, { ...PARAMETERS, [HEADERS.requestId]: ID });
    expect(pick(sealed, [HEADERS.status, HEADERS.contentTypeOfMessage, HEADERS.requestId])).toEqual({
      [HEADERS.status]: STATUS.sealed,
      [HEADERS.contentTypeOfMessage]: ENVELOPE_MEDIA_TYPE,
      [HEADERS.requestId]: ID,
    });
    const opened = await gateway.call("openRequest", sealed.data);
    expect(statusOf(opened)).toBe(STATUS.opened);
    expect(Buffer.from(opened.data).equals(body)).toBe(true);
    const binding = { ...pick(opened, Object.keys(BINDING)), ...pick(sealed, [HEADERS.openingToken]) };
    const response = await gateway.call("sealResponse", body, binding);
    const answer = await orchestrator.call("openResponse", response.data, binding);
    expect(statusOf(answer)).toBe(STATUS.opened);
    expect(Buffer.from(answer.data).equals(body)).toBe(true);
  });

  test("the metadata of a body is sealed with it, and returned when it is opened", async () => {
    const metadata = {
      [HEADERS.contentType]: "text/plain; charset=utf-8",
      [HEADERS.schemaHash]: `sha256:${"0f".repeat(32)}`,
    };
    const parameters = { ...PARAMETERS, ...metadata, [HEADERS.requestId]: ID, [HEADERS.ttlSeconds]: "60" };
    const sealed = await orchestrator.call("sealRequest", hello, parameters);
    expect(headerOf(sealed.data)).toMatchObject({ ttl: 60, request_id: ID, model: "gpt-5", intent: "chat" });
    const opened = await gateway.call("openRequest", sealed.data);
    expect(pick(opened, [...Object.keys(metadata), HEADERS.inReplyTo])).toEqual({
      ...metadata,
      [HEADERS.inReplyTo]: sealed.header(HEADERS.inReplyTo),
    });
  });

  test("a request without an id gets one, which the reply names", async () => {
    const sealed = await orchestrator.call("sealRequest", hello, PARAMETERS);
    expect(sealed.header(HEADERS.requestId)).toBe(headerOf(sealed.data).request_id);
  });
});

describe("an invalid request to the service", () => {
  const malformed: [string, string][] = [
    [HEADERS.model, "two words"],
    [HEADERS.model, "x".repeat(129)],
    [HEADERS.requestId, "1"],
    [HEADERS.requestId, ID.toUpperCase()],
    [HEADERS.contentType, 'text/"plain"'],
    [HEADERS.contentType, "x".repeat(129)],
    [HEADERS.schemaHash, "sha256:0"],
    [HEADERS.ttlSeconds, "0"],
    [HEADERS.ttlSeconds, "1.5"],
    [HEADERS.ttlSeconds, "1e1"],
  ];
  const malformedBinding: [string, string][] = [
    [HEADERS.inReplyTo, `${"A".repeat(43)}=`],
    [HEADERS.inReplyTo, `${"A".repeat(42)}B`],
    [HEADERS.inReplyTo, "A".repeat(42)],
  ];
  const cases: [ServiceRequest, string, string | undefined][] = [
    ...malformed.map((it): [ServiceRequest, string, string] => ["sealRequest", ...it]),
    ...[...malformed, ...malformedBinding].map((it): [ServiceRequest, string, string] => [
      "sealResponse",
      ...it,
    ]),
    ...malformedBinding.map((it): [ServiceRequest, string, string] => ["openResponse", ...it]),
    ...Object.keys(PARAMETERS).map((name): [ServiceRequest, string, undefined] => [
      "sealRequest",
      name,
      undefined,
    ]),
    ...Object.keys(BINDING).map((name): [ServiceRequest, string, undefined] => [
      "sealResponse",
      name,
      undefined,
    ]),
    ...Object.keys(BINDING).map((name): [ServiceRequest, string, undefined] => [
      "openResponse",
      name,
      undefined,
    ]),
  ];

  test.each(cases)("%s with %s: %s is a BAD_REQUEST that names the header", async (kind, name, value) => {
    const serviceCaller = kind === "sealResponse" ? gateway : orchestrator;
    const { [name]: _, ...others } = BINDING as Record<string, string>;
    const headers = value === undefined ? others : { ...others, [name]: value };
    await expect(serviceCaller.call(kind, hello, headers)).rejects.toMatchObject({
      code: "BAD_REQUEST",
      message: expect.stringContaining(name),
    });
  });

  test("a header in other letter case is another header", async () => {
    const headers = { "Scbe-Model": "gpt-5" };
    await expect(orchestrator.call("sealRequest", hello, headers)).rejects.toMatchObject({
      code: "BAD_REQUEST",
      message: expect.stringContaining(HEADERS.model),
    });
  });

  test("a lifetime beyond the replay window is a BAD_REQUEST that names the window", async () => {
    const headers = { ...PARAMETERS, [HEADERS.ttlSeconds]: "301" };
    await expect(orchestrator.call("sealRequest", hello, headers)).rejects.toMatchObject({
      code: "BAD_REQUEST",
      message: expect.stringContaining("300"),
    });
  });

  test("an intent that is not served is a BAD_REQUEST that names the served ones", async () => {
    await expect(orchestrator.call("sealRequest", hello, PARAMETERS, "tools")).rejects.toMatchObject({
      code: "BAD_REQUEST",
      message: expect.stringMatching(/tools.*chat/),
    });
  });

  test("a provider that is not served is a BAD_REQUEST that names the served ones", async () => {
    await using wide = await connectServiceCaller(system, "orchestrator", "unserved");
    await expect(wide.call("sealRequest", hello, PARAMETERS)).rejects.toMatchObject({
      code: "BAD_REQUEST",
      message: expect.stringMatching(/unserved.*openai, anthropic/),
    });
  });

  test("a body that fits the bus, but whose envelope does not, is TOO_LARGE with the limit", async () => {
    const body = Buffer.alloc(MAX_PAYLOAD - 500);
    await expect(orchestrator.call("sealRequest", body, PARAMETERS)).rejects.toMatchObject({
      code: "TOO_LARGE",
      message: expect.stringContaining(String(MAX_PAYLOAD)),
    });
  });

  test("a body that does not fit the bus is refused in the caller's process, with the limit", async () => {
    const body = Buffer.alloc(MAX_PAYLOAD + 1);
    await expect(orchestrator.call("sealRequest", body, PARAMETERS)).rejects.toMatchObject({
      code: "TOO_LARGE",
      message: expect.stringContaining(String(MAX_PAYLOAD)),
    });
  });

  test("a request is answered in an inbox of its user, and dropped with any other reply subject", async () => {
    await using forger = await connectProbe({ name: "wide", transport: system.transport("wide") });
    await using listener = await connectProbe({
      name: "gateway-openai",
      transport: system.transport("gateway-openai"),
    });
    const heard = await listener.listen(subjectOf("cancel", { provider: "openai" }));
    const answers = await forger.listen("_INBOX.orchestrator.wide.mine");
    const garbage = randomBytes(100);
    const subject = subjectOf("openResponse", { user: "wide", provider: "openai", intent: "chat" });
    await forger.publish(subject, garbage, subjectOf("cancel", { provider: "openai" }));
    await forger.publish(subject, garbage, "_INBOX.orchestrator.wide.mine");
    await eventually(() => answers.length === 1);
    await forger.publish(subjectOf("cancel", { provider: "openai" }), "the listener does hear");
    await eventually(() => heard.length > 0);
    expect(heard.map(({ text }) => text)).toEqual(["the listener does hear"]);
  });
});

describe("an envelope that must not be opened", () => {
  /** Sends the bytes twice and expects the same noise: not before the noise floor, of one length, with one status. */
  async function expectNoise(
    kind: ServiceRequest,
    serviceCaller: ServiceCaller,
    data: Uint8Array,
    headers?: BusHeaders,
  ) {
    const started = performance.now();
    const [first, second] = await Promise.all([
      serviceCaller.call(kind, data, headers),
      serviceCaller.call(kind, data, headers),
    ]);
    expect(performance.now() - started).toBeGreaterThanOrEqual(FLOOR_MS);
    expect(statusOf(first)).toBe(STATUS.refused);
    expect(first.data).toHaveLength(NOISE_BYTES);
    expect(Buffer.from(first.data).equals(second.data)).toBe(true);
    expect(pick(first, [HEADERS.model, HEADERS.requestId, HEADERS.inReplyTo])).toEqual(
      pick(second, [HEADERS.model, HEADERS.requestId, HEADERS.inReplyTo]),
    );
    expect(first.header(HEADERS.model)).toBeUndefined();
  }

  const requests: [string, () => Promise<Uint8Array> | Uint8Array][] = [
    ["random bytes", () => randomBytes(600)],
    ["nothing", () => new Uint8Array(0)],
    ["a header that is longer than the message", () => Buffer.concat([Buffer.from([0, 0, 4, 0]), hello])],
    [
      "an altered envelope",
      async () => flipped((await orchestrator.call("sealRequest", hello, PARAMETERS)).data),
    ],
    ["a request that was opened before", async () => (await answered()).request],
    ["a response", async () => (await answered()).response],
  ];
  test.each(requests)("%s as a request gets noise, at the noise floor", async (_case, make) => {
    await expectNoise("openRequest", gateway, await make());
  });

  test("a request is not opened on another provider's subject", async () => {
    await using other = await connectServiceCaller(system, "gateway-anthropic", "anthropic");
    const { data } = await orchestrator.call("sealRequest", hello, PARAMETERS);
    await expectNoise("openRequest", other, data);
    expect(statusOf(await gateway.call("openRequest", data))).toBe(STATUS.opened);
  });

  test.each([
    [HEADERS.model, "gpt-4"],
    [HEADERS.requestId, "0190f3a4-5b6c-7d8e-9fa0-b1c2d3e4f507"],
    [HEADERS.inReplyTo, "A".repeat(43)],
  ])("a response is not opened for a request with another %s", async (name, value) => {
    const { response, binding } = await answered();
    await expectNoise("openResponse", orchestrator, response, { ...binding, [name]: value });
    expect(statusOf(await orchestrator.call("openResponse", response, binding))).toBe(STATUS.opened);
  });

  test.each([
    ["random bytes", async () => ({ data: randomBytes(600), binding: BINDING })],
    [
      "a request",
      async () => {
        const { request, binding } = await answered();
        return { data: request, binding };
      },
    ],
    [
      "an altered response",
      async () => {
        const { response, binding } = await answered();
        return { data: flipped(response), binding };
      },
    ],
  ])("%s is no response: noise, at the floor", async (_case, make) => {
    const { data, binding } = await make();
    await expectNoise("openResponse", orchestrator, data, binding);
  });
});

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(copy.length - 20) ^ 1, copy.length - 20);
  return copy;
}

describe("the service as a process", () => {
  /** Bytes that are refused long before their answer is due. */
  const forgeries = (count: number) =>
    Array.from({ length: count }, () => gateway.call("openRequest", randomBytes(64)));

  async function countRefused(result: string): Promise<number> {
    if (system.envelope === undefined) throw new Error("no envelope service");
    const counted = await readMetric(system.envelope, "scbe_envelope_openings_total");
    return counted.get(`phase="request",provider="openai",result="${result}"`) ?? 0;
  }

  test("reports its version, description and four endpoints to the operator", async () => {
    await using operator = await connectProbe({ name: "operator", transport: system.transport("operator") });
    const info = JSON.parse(await operator.request("$SRV.INFO.envelope")) as Record<string, unknown>;
    expect(info).toMatchObject({
      name: "envelope",
      version: "0.1.0",
      description: expect.stringContaining("Seals"),
    });
    const kinds = ["sealRequest", "openRequest", "sealResponse", "openResponse"] as const;
    const endpoints = info.endpoints as { subject: string }[];
    expect(endpoints.map(({ subject }) => subject).sort()).toEqual(
      kinds.map((kind) => `${SUBJECTS[kind]}.*.*.*`).sort(),
    );
  });

  test("turns no request away while several times as many forgeries as it has places wait for the noise floor", async () => {
    const { request, response, binding } = await answered();
    const requests = [
      ...forgeries(2 * CONCURRENCY),
      ...Array.from({ length: 2 * CONCURRENCY }, () =>
        orchestrator.call("openResponse", flipped(response), binding),
      ),
    ];
    // Replays take places while the guard answers, so half of the places are used at once.
    const before = await countRefused("replay");
    for (const replays of [CONCURRENCY / 2, CONCURRENCY]) {
      const batch = Array.from({ length: CONCURRENCY / 2 }, () => gateway.call("openRequest", request));
      requests.push(...batch);
      await eventually(async () => (await countRefused("replay")) === before + replays);
    }
    for (let n = 0; n < 10; n += 1) {
      const again = await answered();
      expect(statusOf(await orchestrator.call("openResponse", again.response, again.binding))).toBe(
        STATUS.opened,
      );
    }
    expect((await Promise.all(requests)).map(statusOf)).toEqual(requests.map(() => STATUS.refused));
  });

  test("answers all requests in flight at TERM, and exits with 0", async () => {
    const before = await countRefused("malformed");
    const requests = forgeries(50);
    await eventually(async () => (await countRefused("malformed")) === before + 50);
    const ended = system.envelope?.stop();
    const answers = await Promise.all(requests);
    expect(answers.map(statusOf)).toEqual(requests.map(() => STATUS.refused));
    expect(await ended).toBe(0);
    await expect(orchestrator.call("sealRequest", hello, PARAMETERS)).rejects.toMatchObject({
      code: "NO_RESPONDERS",
    });
    await system.envelope?.restart();
    expect(statusOf(await orchestrator.call("sealRequest", hello, PARAMETERS))).toBe(STATUS.sealed);
  });

  test("refuses to start in prod on a connection without TLS", async () => {
    await using server = await startNats();
    await using host = await createTestHost({ transport: { servers: [server.url] }, name: "envelope" });
    const reading = readConfig(config, {
      ...system.variables,
      SCBE_ENVIRONMENT: "prod",
      SCBE_CONTROL_PUBLIC_KEY: system.keyringPublicKey,
      NATS_URL: server.url,
    });
    if (!reading.ok) throw new Error(reading.problems.join("\n"));
    await expect(start(reading.config, host)).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: expect.stringContaining("NATS_TLS_CA"),
    });
  });

  test("names all problems of its configuration at once, and exits with 78", async () => {
    const wrong = {
      SCBE_ENVIRONMENT: "production",
      SCBE_PROVIDERS: "Open AI",
      SCBE_REPLAY_WINDOW_SECONDS: "five",
      SCBE_ENVELOPE_CONCURRENCY: "0",
      NATS_URL: "http://127.0.0.1",
      NATS_NKEY_SEED_FILE: "/nowhere/envelope.seed",
      SCBE_OPS_PORT: "65536",
      LOG_LEVEL: "loud",
    };
    const main = fileURLToPath(new URL("../../services/envelope/src/main.ts", import.meta.url));
    const env = { PATH: process.env.PATH ?? "", ...wrong };
    await using running = startProcess(process.execPath, [main], { bareEnv: true, ipc: true, env });
    expect(await running.exited).toEqual({ code: 78, signal: null });
    for (const name of [...Object.keys(wrong), "SCBE_KEYRING_PUBLIC_KEY"]) {
      expect(running.stderr).toContain(name);
    }
    expect(running.stderr).not.toMatch(/^\s+at /m);
    expect(running.stdout).toBe("");
  });
});
