import { createHmac, hkdfSync } from "node:crypto";
import type { BusHeaders, BusMessage } from "@scbe/bus";
import { HEADERS, isScbeError, OPENING_TOKEN_INTENT, STATUS, subjectOf } from "@scbe/contracts";
import { NOISE_BYTES } from "@scbe/envelope";
import { connectProbe } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type KnownKeys, knownKeys } from "../kit/known-keys.ts";
import { connectServiceCaller, type ServiceCaller, type ServiceRequest } from "../kit/raw-clients.ts";
import { readMetric } from "../kit/scrape.ts";
import { startServiceProcess } from "../kit/service-process.ts";
import { type System, startSystem } from "../kit/system.ts";

const FLOOR_MS = 700;
const USER_RATE = 200;
const NARROW = { providers: ["openai"], intents: ["chat"] };

let system: System;
let orchestrator: ServiceCaller;
let other: ServiceCaller;
let gateway: ServiceCaller;
let narrowGateway: ServiceCaller;
let keys: KnownKeys;

beforeAll(async () => {
  system = await startSystem({
    intents: ["chat", "tools"],
    redis: false,
    users: [
      { name: "narrow", role: "orchestrator", ...NARROW },
      { name: "other", role: "orchestrator", providers: ["openai"] },
      { name: "gateway-narrow", role: "gateway", ...NARROW },
    ],
    variables: { SCBE_ENVELOPE_USER_RATE: String(USER_RATE) },
  });
  const names = ["orchestrator", "other", "gateway-openai", "gateway-narrow"];
  const serviceCallers = await Promise.all(names.map((name) => connectServiceCaller(system, name)));
  [orchestrator, other, gateway, narrowGateway] = serviceCallers as [
    ServiceCaller,
    ServiceCaller,
    ServiceCaller,
    ServiceCaller,
  ];
  keys = await knownKeys(system);
});
afterAll(async () => {
  await Promise.all(
    [orchestrator, other, gateway, narrowGateway].map((serviceCaller) =>
      serviceCaller?.[Symbol.asyncDispose](),
    ),
  );
  await system?.[Symbol.asyncDispose]();
});

const hello = Buffer.from("Grüß Gott, Welt");
const PARAMETERS = { [HEADERS.model]: "gpt-5" };
const statusOf = (message: BusMessage): string | undefined => message.header(HEADERS.status);

interface Answered {
  readonly response: Uint8Array;
  /** The headers to open it with, including the token of `orchestrator`. */
  readonly binding: Readonly<Record<string, string>>;
}

/** A request of `orchestrator`, and the gateway's sealed response. */
async function answered(): Promise<Answered> {
  const sealed = await orchestrator.call("sealRequest", hello, PARAMETERS);
  const names = [HEADERS.requestId, HEADERS.inReplyTo, HEADERS.openingToken];
  const binding = {
    ...PARAMETERS,
    ...Object.fromEntries(names.map((name) => [name, sealed.header(name) ?? ""])),
  };
  const { data } = await gateway.call("sealResponse", hello, binding);
  return { response: data, binding };
}

/** Each value after its length in two bytes, big-endian. */
function lp(...values: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(
    values.flatMap((value) => {
      const bytes = Buffer.from(value);
      return [Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes];
    }),
  );
}

/** Expects a refusal. @returns the noise */
async function expectNoise(ask: () => Promise<BusMessage>): Promise<Buffer> {
  const started = performance.now();
  const answer = await ask();
  expect(performance.now() - started).toBeGreaterThanOrEqual(FLOOR_MS - 1);
  expect(statusOf(answer)).toBe(STATUS.refused);
  expect(answer.data).toHaveLength(NOISE_BYTES);
  expect(answer.header(HEADERS.model)).toBeUndefined();
  return Buffer.from(answer.data);
}

describe("the server", () => {
  const verbs: readonly [string, readonly ServiceRequest[]][] = [
    ["narrow", ["sealRequest", "openResponse"]],
    ["gateway-narrow", ["openRequest", "sealResponse"]],
  ];
  test.each(verbs)(
    "lets %s send requests for its own intents under its own name only",
    async (user, kinds) => {
      await using probe = await connectProbe({ name: user, transport: system.transport(user) });
      const own = kinds.map((kind) => subjectOf(kind, { user, provider: "openai", intent: "chat" }));
      const foreign = kinds.flatMap((kind) => [
        subjectOf(kind, { user, provider: "openai", intent: "tools" }),
        subjectOf(kind, { user, provider: "openai", intent: OPENING_TOKEN_INTENT }),
        subjectOf(kind, { user, provider: "anthropic", intent: "chat" }),
        ...["orchestrator", "gateway-openai"].map((victim) =>
          subjectOf(kind, { user: victim, provider: "openai", intent: "chat" }),
        ),
      ]);
      expect(await probe.refusedPublishes([...own, ...foreign])).toEqual(new Set(foreign));
    },
  );
});

describe("an intent", () => {
  test("in the subject is the sealed one, whatever the headers say", async () => {
    const headers = { ...PARAMETERS, [HEADERS.intent]: "tools" };
    const { data } = await orchestrator.call("sealRequest", hello, headers);
    const opened = await gateway.call("openRequest", data);
    expect([statusOf(opened), opened.header(HEADERS.intent)]).toEqual([STATUS.opened, "chat"]);
  });

  test("that a gateway does not serve gets noise, and uses up no replay nonce", async () => {
    const { data } = await orchestrator.call("sealRequest", hello, PARAMETERS, "tools");
    await expectNoise(() => narrowGateway.call("openRequest", data));
    const opened = await gateway.call("openRequest", data, {}, "tools");
    expect([statusOf(opened), opened.header(HEADERS.intent)]).toEqual([STATUS.opened, "tools"]);
  });

  test("of a response must be that of the subject", async () => {
    const { binding } = await answered();
    const { data } = await gateway.call("sealResponse", hello, binding, "tools");
    await expectNoise(() => orchestrator.call("openResponse", data, binding));
    await expectNoise(() => orchestrator.call("openResponse", data, binding, "tools"));
  });

  test("reserved by SCBE is not served", async () => {
    await expect(
      orchestrator.call("sealRequest", hello, PARAMETERS, OPENING_TOKEN_INTENT),
    ).rejects.toMatchObject({
      code: "BAD_REQUEST",
    });
  });
});

describe("a response is opened only for the user whose request it answers:", () => {
  /** A token made as docs/spec/envelope-v1.md says. */
  function tokenOf(user: string, hash: string, expiresAt = Date.now() + 60_000, of = OPENING_TOKEN_INTENT) {
    const label = "scbe/v1/opening-token";
    const macKey = Buffer.from(hkdfSync("sha256", keys.subkey("k_enc", "openai", of), label, lp("mac"), 32));
    const facts = [user, "openai", "chat", Buffer.from(hash, "base64url"), String(expiresAt)];
    const mac = createHmac("sha256", macKey)
      .update(lp(label, "dev", keys.kid, ...facts))
      .digest("base64url");
    return `${keys.kid}.${expiresAt}.${mac}`;
  }
  const hashIn = ({ binding }: Answered): string => binding[HEADERS.inReplyTo] ?? "";
  const withToken = ({ binding }: Answered, token: string): BusHeaders => ({
    ...binding,
    [HEADERS.openingToken]: token,
  });
  const withoutToken = ({ binding: { [HEADERS.openingToken]: _, ...rest } }: Answered): BusHeaders => rest;

  test("with the token of its sealing, and with one made from the specification under the same key", async () => {
    const it = await answered();
    const opened = await orchestrator.call("openResponse", it.response, it.binding);
    expect([statusOf(opened), Buffer.from(opened.data)]).toEqual([STATUS.opened, hello]);
    const byHand = withToken(it, tokenOf("orchestrator", hashIn(it)));
    expect(statusOf(await orchestrator.call("openResponse", it.response, byHand))).toBe(STATUS.opened);
  });

  const refusals: readonly [
    string,
    () => ServiceCaller,
    (it: Answered) => BusHeaders | Promise<BusHeaders>,
    string,
  ][] = [
    ["another user with its token", () => other, ({ binding }) => binding, "foreign"],
    ["another user without a token", () => other, withoutToken, "malformed"],
    [
      "another user with a token of its own for another request",
      () => other,
      async (it) => {
        const own = await other.call("sealRequest", hello, PARAMETERS);
        return withToken(it, own.header(HEADERS.openingToken) ?? "");
      },
      "foreign",
    ],
    ["its user without a token", () => orchestrator, withoutToken, "malformed"],
    [
      "its user with bytes for a token",
      () => orchestrator,
      (it) => withToken(it, "x".repeat(2000)),
      "malformed",
    ],
    [
      "its user with a token that has expired",
      () => orchestrator,
      (it) => withToken(it, tokenOf("orchestrator", hashIn(it), Date.now() - 1000)),
      "expired",
    ],
    [
      "another user with a token that it made with the keys that seal and open",
      () => other,
      (it) => withToken(it, tokenOf("other", hashIn(it), Date.now() + 60_000, "chat")),
      "foreign",
    ],
  ];

  test.each(refusals)(
    "%s gets the same noise as for any bytes, and the response can still be opened",
    async (...row) => {
      const [, serviceCaller, headers, verdict] = row;
      const it = await answered();
      const before = await countOf(verdict);
      const bad = await headers(it);
      const noise = await expectNoise(() => serviceCaller().call("openResponse", it.response, bad));
      expect(await countOf(verdict)).toBe(before + 1);
      // A gateway's request to open refuses a response as malformed. The noise depends on the bytes, and not on the reason.
      expect(await expectNoise(() => gateway.call("openRequest", it.response))).toEqual(noise);
      expect(statusOf(await orchestrator.call("openResponse", it.response, it.binding))).toBe(STATUS.opened);
    },
  );

  async function countOf(verdict: string): Promise<number> {
    if (system.envelope === undefined) throw new Error("no envelope service");
    const counted = await readMetric(system.envelope, "scbe_opening_tokens_total");
    return counted.get(`provider="openai",result="${verdict}"`) ?? Number.NaN;
  }

  test("on every replica, and after a restart", async () => {
    const { envelope } = system;
    if (envelope === undefined) throw new Error("no envelope service");
    const ofFirst = await answered();
    const env = system.environment("envelope");
    await using second = await startServiceProcess("envelope", "services/envelope/src/main.ts", env);
    await second.ready();
    await envelope.stop();
    const open = async ({ response, binding }: Answered) =>
      statusOf(await orchestrator.call("openResponse", response, binding));
    expect(await open(ofFirst)).toBe(STATUS.opened);
    const ofSecond = await answered();
    await envelope.restart();
    await second.stop();
    expect([await open(ofFirst), await open(ofSecond)]).toEqual([STATUS.opened, STATUS.opened]);
  });
});

test("a user above its rate gets BUSY, and the others are served", async () => {
  const flood = Promise.allSettled(
    // Above twice its rate it would get no reply.
    Array.from({ length: 2 * USER_RATE }, () => other.call("sealRequest", hello, PARAMETERS)),
  );
  expect(statusOf(await orchestrator.call("sealRequest", hello, PARAMETERS))).toBe(STATUS.sealed);
  const outcomes = (await flood).map((it) =>
    it.status === "fulfilled" ? statusOf(it.value) : isScbeError(it.reason) && it.reason.code,
  );
  expect(new Set(outcomes)).toEqual(new Set([STATUS.sealed, "BUSY"]));
  expect(outcomes.filter((it) => it === STATUS.sealed).length).toBeGreaterThanOrEqual(USER_RATE);
});
