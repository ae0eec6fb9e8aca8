import { randomBytes } from "node:crypto";
import type { BusMessage } from "@scbe/bus";
import { HEADERS, jcs, STATUS, subjectOf } from "@scbe/contracts";
import { NOISE_BYTES, type RequestHeader } from "@scbe/envelope";
import { connectProbe, eventually } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { phaseSkew } from "./acceptance/phase-skew.ts";
import { providerSwitch } from "./acceptance/provider-switch.ts";
import { trustDecay } from "./acceptance/trust-decay.ts";
import { ControlApi } from "./kit/control-api.ts";
import { forge, headerOf, inSessionOf, type KnownKeys, knownKeys } from "./kit/known-keys.ts";
import { connectServiceCaller, rawCaller, type ServiceCaller } from "./kit/raw-clients.ts";
import { readMetric } from "./kit/scrape.ts";
import { type System, startSystem } from "./kit/system.ts";
import { measure, render, type Timings } from "./kit/traffic.ts";
import { type TrustWatch, watchTrust } from "./kit/trust.ts";

/**
 * Runs against SCBE as in production: nats-server with the access table's permissions, Redis, and keyring, replay guard,
 * envelope service, rollback controller and trust scorer as processes of their own.
 */

let system: System;
let api: ControlApi;
let orchestrator: ServiceCaller;
let gateway: ServiceCaller;
let keys: KnownKeys;
let trust: TrustWatch;

beforeAll(async () => {
  system = await startSystem({
    controller: true,
    scorer: true,
    variables: {
      SCBE_ENVELOPE_CONCURRENCY: "1024",
      SCBE_SKEW_LIMIT_SECONDS: String(SKEW_LIMIT_S),
      SCBE_TRUST_EXCLUSION_MS: "1000",
    },
  });
  api = new ControlApi(system);
  [orchestrator, gateway, keys, trust] = await Promise.all([
    connectServiceCaller(system, "orchestrator"),
    connectServiceCaller(system, "gateway-openai"),
    knownKeys(system),
    watchTrust(system),
  ]);
});
afterAll(async () => {
  await orchestrator?.[Symbol.asyncDispose]();
  await gateway?.[Symbol.asyncDispose]();
  await trust?.[Symbol.asyncDispose]();
  await system?.[Symbol.asyncDispose]();
});

const PARAMETERS = { [HEADERS.model]: "gpt-5", [HEADERS.intent]: "chat" };
const BODY_1_KIB = randomBytes(1024);
const LENGTH_BYTES = 4;
const TAG_BYTES = 16;

async function sealed(body: Uint8Array = BODY_1_KIB): Promise<Buffer> {
  return Buffer.from((await orchestrator.call("sealRequest", body, PARAMETERS)).data);
}

function open(envelope: Uint8Array): Promise<BusMessage> {
  return gateway.call("openRequest", envelope);
}

const statusOf = (answer: BusMessage): string | undefined => answer.header(HEADERS.status);

/** Opens altered envelopes, as many at once as the service takes, and expects the same noise for all. */
async function expectRefusedAlike(altered: readonly Uint8Array[]): Promise<void> {
  const seen = new Set<string>();
  for (let at = 0; at < altered.length; at += 1000) {
    const answers = await Promise.all(altered.slice(at, at + 1000).map(open));
    for (const answer of answers) seen.add(`${statusOf(answer)}, ${answer.data.length} bytes`);
  }
  expect([...seen]).toEqual([`${STATUS.refused}, ${NOISE_BYTES} bytes`]);
}

/** All copies of the envelope with one bit flipped from byte `from` up to byte `to`. */
function withOneBitFlipped(envelope: Buffer, from: number, to: number): Buffer[] {
  return Array.from({ length: (to - from) * 8 }, (_, bit) => {
    const copy = Buffer.from(envelope);
    const at = from + (bit >> 3);
    copy.writeUInt8(copy.readUInt8(at) ^ (1 << (bit & 7)), at);
    return copy;
  });
}

/** The number of openings at the envelope service so far, by result. */
async function openings(): Promise<(result: string) => number> {
  if (system.envelope === undefined) throw new Error("no envelope service");
  const counted = await readMetric(system.envelope, "scbe_envelope_openings_total");
  return (result) => counted.get(`phase="request",provider="openai",result="${result}"`) ?? 0;
}

describe("AAD tamper detection", () => {
  test("a header with any one bit flipped is refused, always with noise of one length", async () => {
    const envelope = await sealed();
    const headerEnd = LENGTH_BYTES + envelope.readUInt32BE(0);
    await expectRefusedAlike(withOneBitFlipped(envelope, 0, headerEnd));
    expect(statusOf(await open(envelope))).toBe(STATUS.opened);
  });

  const changes: Partial<Record<keyof RequestHeader, (value: never, header: RequestHeader) => unknown>> = {
    commitment: () => randomBytes(32).toString("base64url"),
    content_type: () => "text/plain",
    env: () => "staging",
    epoch: () => randomBytes(16).toString("base64url"),
    intent: () => "tools",
    kid: (kid: string) => `${kid}x`,
    model: () => "gpt-5-mini",
    nonce: (nonce: string) => {
      const next = Buffer.from(nonce, "base64url");
      next.writeUInt32BE(next.readUInt32BE(8) + 1, 8);
      return next.toString("base64url");
    },
    phase: () => "response",
    provider: () => "anthropic",
    replay_nonce: () => randomBytes(24).toString("base64url"),
    request_id: () => crypto.randomUUID(),
    schema_hash: () => `sha256:${"0".repeat(64)}`,
    session_id: (id: string) =>
      Buffer.concat([Buffer.from(id, "base64url").subarray(0, 4), randomBytes(28)]).toString("base64url"),
    suite: () => "A256GCM",
    ts: (ts: number) => ts + 1,
    ttl: (ttl: number) => ttl - 1,
    v: () => 2,
  };

  test("every member of the header is authenticated: another legal value of any member is refused", async () => {
    const envelope = await sealed();
    const header = headerOf(envelope);
    expect(Object.keys(changes).sort()).toEqual(Object.keys(header).sort());
    const altered = Object.entries(changes).map(([member, change]) => {
      const value = header[member as keyof RequestHeader];
      return withHeader(envelope, { ...header, [member]: change(value as never, header) });
    });
    await expectRefusedAlike(altered);
    expect(statusOf(await open(envelope))).toBe(STATUS.opened);
  });

  test("a header from another envelope is refused", async () => {
    const [one, other] = [await sealed(), await sealed()];
    await expectRefusedAlike([withHeader(one, headerOf(other)), withHeader(other, headerOf(one))]);
  });
});

/** The envelope's ciphertext and tag behind another header. */
function withHeader(envelope: Buffer, header: object): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, text, envelope.subarray(LENGTH_BYTES + envelope.readUInt32BE(0))]);
}

describe("Body tamper detection", () => {
  test("a 1 KiB body, or its tag, with any one bit flipped is refused for its tag", async () => {
    const envelope = await sealed();
    const headerEnd = LENGTH_BYTES + envelope.readUInt32BE(0);
    const before = await openings();
    await expectRefusedAlike(withOneBitFlipped(envelope, headerEnd, envelope.length));
    const after = await openings();
    expect(after("tag") - before("tag")).toBe((BODY_1_KIB.length + TAG_BYTES) * 8);
    expect(Buffer.from((await open(envelope)).data).equals(BODY_1_KIB)).toBe(true);
  });

  test("a body with a byte less or more, or of another envelope, is refused", async () => {
    const [one, other] = [await sealed(), await sealed()];
    const headerEnd = LENGTH_BYTES + one.readUInt32BE(0);
    await expectRefusedAlike([
      one.subarray(0, -1),
      Buffer.concat([one, Buffer.alloc(1)]),
      Buffer.concat([one.subarray(0, headerEnd), other.subarray(LENGTH_BYTES + other.readUInt32BE(0))]),
    ]);
  });

  test("the same bytes are refused with the same noise, other bytes with other noise", async () => {
    const envelope = await sealed();
    const headerEnd = LENGTH_BYTES + envelope.readUInt32BE(0);
    const altered = withOneBitFlipped(envelope, headerEnd, headerEnd + 8);
    const [first, second] = [await Promise.all(altered.map(open)), await Promise.all(altered.map(open))].map(
      (answers) => answers.map(({ data }) => Buffer.from(data).toString("hex")),
    );
    expect(first).toEqual(second);
    expect(new Set(first).size).toBe(altered.length);
  });
});

const SKEW_MS = 120_000;
const SKEW_LIMIT_S = 300;
const TTL_S = 60;
const WINDOW_S = 300;

/** An authentic envelope, sealed at `ts` in a session that began at `startedAt`. */
async function sealedAt(ts: number, { startedAt = ts, ttl = TTL_S } = {}): Promise<Buffer> {
  const header = { ...headerOf(await sealed()), ts, ttl };
  return forge(keys, inSessionOf(keys, header, startedAt), BODY_1_KIB);
}

describe("Timestamp validation", () => {
  test.each([
    ["now", () => sealedAt(Date.now())],
    ["by a clock that is ahead by just less than the skew", () => sealedAt(Date.now() + SKEW_MS - 3000)],
    [
      "so long ago that its lifetime and the skew are nearly over",
      () => sealedAt(Date.now() - TTL_S * 1000 - SKEW_MS + 5000),
    ],
    ["with a lifetime of the whole window", () => sealedAt(Date.now(), { ttl: WINDOW_S })],
    [
      "in a session that is as old as the window",
      () => sealedAt(Date.now(), { startedAt: Date.now() - WINDOW_S * 1000 }),
    ],
  ])("an authentic envelope sealed %s is opened", async (_case, make) => {
    expect(statusOf(await open(await make()))).toBe(STATUS.opened);
  });

  test.each([
    ["by a clock that is ahead by more than the skew", () => sealedAt(Date.now() + SKEW_MS + 5000)],
    [
      "so long ago that its lifetime and the skew are over",
      () => sealedAt(Date.now() - TTL_S * 1000 - SKEW_MS - 1),
    ],
    ["with a lifetime longer than the window", () => sealedAt(Date.now(), { ttl: WINDOW_S + 1 })],
    [
      "in a session that is older than the window",
      () => sealedAt(Date.now(), { startedAt: Date.now() - (WINDOW_S + 61) * 1000 }),
    ],
    ["in a session that has not begun yet", () => sealedAt(Date.now(), { startedAt: Date.now() + 62_000 })],
  ])("an authentic envelope sealed %s is refused for its time", async (_case, make) => {
    const envelope = await make();
    const before = await openings();
    await expectRefusedAlike([envelope]);
    const after = await openings();
    expect(after("time") - before("time")).toBe(1);
  });
});

describe("Phase skew handling", () =>
  phaseSkew(
    () => ({
      system,
      api,
      sealAhead: (ms) => sealedAt(Date.now() + ms, { startedAt: Date.now() + Math.min(0, ms) }),
      statusOf: async (envelope) => statusOf(await open(envelope)),
    }),
    { usualSeconds: SKEW_MS / 1000, limitSeconds: SKEW_LIMIT_S },
  ));

describe("Provider switch fallback", () => providerSwitch(() => ({ system, api })));

describe("Trust decay mechanisms", () => trustDecay(() => ({ system, api, trust })));

describe("Nonce reuse prevention", () => {
  const nonceOf = (envelope: Uint8Array): string => {
    const { session_id, nonce } = headerOf(envelope);
    return `${session_id} ${nonce}`;
  };

  test("no two of 2,000 envelopes share session and nonce, even across a restart of the sealer", async () => {
    const seals = () => Promise.all(Array.from({ length: 1000 }, () => sealed()));
    const before = await seals();
    await system.envelope?.restart();
    const after = await seals();
    expect(new Set([...before, ...after].map(nonceOf)).size).toBe(2000);
  });

  test("after a session's counter limit a new session begins, and no request fails", async () => {
    const variables = { ...system.variables, SCBE_NONCE_COUNTER_LIMIT: "5" };
    await using caller = await rawCaller({ ...system, variables });
    const envelopes = Array.from(
      { length: 50 },
      () =>
        caller.verifier.sealer.sealRequest({
          provider: "openai",
          model: "gpt-5",
          intent: "chat",
          requestId: crypto.randomUUID(),
          body: BODY_1_KIB,
        }).bytes,
    );
    expect(new Set(envelopes.map(nonceOf)).size).toBe(50);
    expect(new Set(envelopes.map((bytes) => headerOf(bytes).session_id)).size).toBe(10);
    const answers = await Promise.all(envelopes.map(open));
    expect(answers.map(statusOf)).toEqual(envelopes.map(() => STATUS.opened));
  });

  test("an envelope is opened once: the same bytes again are refused as a replay", async () => {
    const envelope = await sealed();
    expect(statusOf(await open(envelope))).toBe(STATUS.opened);
    const before = await openings();
    await expectRefusedAlike([envelope, envelope]);
    const after = await openings();
    expect(after("replay") - before("replay")).toBe(2);
  });

  test("of many concurrent openings of one envelope, exactly one gets the body", async () => {
    const envelope = await sealed();
    const answers = await Promise.all(Array.from({ length: 50 }, () => open(envelope)));
    expect(answers.filter((answer) => statusOf(answer) === STATUS.opened)).toHaveLength(1);
  });

  test("a second, authentic envelope under a used nonce is refused, and is a security event", async () => {
    const first = await sealed();
    const header = { ...headerOf(first), replay_nonce: randomBytes(24).toString("base64url") };
    const second = forge(keys, header, Buffer.from("another body"));
    await using operator = await connectProbe({ name: "operator", transport: system.transport("operator") });
    expect(statusOf(await open(first))).toBe(STATUS.opened);
    const before = await openings();
    await expectRefusedAlike([second]);
    const after = await openings();
    expect(after("nonce_reuse") - before("nonce_reuse")).toBe(1);
    const event = await eventually(async () => {
      const question = jcs({ v: 1, ask: "batch", from: 1, last: 1000 });
      const answer = await operator.request(subjectOf("securityRead", { user: "operator" }), question);
      const { messages } = JSON.parse(answer) as { messages: { data: string }[] };
      const message = messages.at(-1);
      return message && (JSON.parse(Buffer.from(message.data, "base64").toString()) as unknown);
    });
    expect(event).toMatchObject({ env: "dev", provider: "openai", counter: counterOf(header) });
    await expectRefusedUntilCleared();
  });

  /** Expects that nothing is sealed for openai until an administrator clears the latch and releases the kill. */
  async function expectRefusedUntilCleared(): Promise<void> {
    const isRefusedFor = (code: string) => () => expect(sealed()).rejects.toMatchObject({ code });
    const { latch } = await trust.until("openai", (it) => it.latch !== null);
    await eventually(isRefusedFor("DISTRUSTED"));
    await api.trust({ provider: "openai", clears: latch?.event ?? "" });
    await eventually(isRefusedFor("SWITCHED_OFF"));
    await api.release();
    await eventually(async () => statusOf(await open(await sealed())) === STATUS.opened);
  }

  const counterOf = ({ nonce }: RequestHeader): number => Buffer.from(nonce, "base64url").readUInt32BE(8);
});

describe("Performance targets", () => {
  const COUNT = 1000;
  const WARM_UP = 200;

  test("sealing and opening over NATS, 1,000 of each: p95 below 10 ms, p99 below 25 ms", async () => {
    let timings = await round();
    if (!isOnTarget(timings)) {
      say(`${describeTimings(timings)}: not on target; measured once more, in case the machine was busy`);
      timings = await round();
    }
    say(describeTimings(timings));
    for (const { p95, p99 } of Object.values(timings)) {
      expect(p95).toBeLessThan(10);
      expect(p99).toBeLessThan(25);
    }
  }, 120_000);

  /** Times one call after the other from the caller's side, with all hops to the replay guard and Redis. */
  async function round(): Promise<{ seal: Timings; open: Timings }> {
    const envelopes: Uint8Array[] = [];
    const seal = await measure({ count: COUNT, warmUp: WARM_UP }, async () => {
      envelopes.push(await sealed());
    });
    const opened = await measure({ count: COUNT, warmUp: WARM_UP }, async () => {
      const answer = await open(envelopes.pop() ?? BODY_1_KIB);
      if (statusOf(answer) !== STATUS.opened) throw new Error("an envelope was refused");
    });
    return { seal, open: opened };
  }

  const isOnTarget = (timings: Record<string, Timings>): boolean =>
    Object.values(timings).every(({ p95, p99 }) => p95 < 10 && p99 < 25);
  const describeTimings = ({ seal, open: opened }: { seal: Timings; open: Timings }): string =>
    `seal ${render(seal)}; open ${render(opened)}`;
  const say = (text: string): void => void process.stdout.write(`  1 KiB, ${COUNT} of each: ${text}\n`);
});
