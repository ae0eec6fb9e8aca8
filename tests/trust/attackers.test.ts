import { randomBytes } from "node:crypto";
import type { Bus } from "@scbe/bus";
import type { Answer, Client } from "@scbe/client";
import {
  BUCKETS,
  HEADERS,
  KV_KEYS,
  namesIn,
  type ProviderTrust,
  patternOf,
  QUEUES,
  STATUS,
  SUBJECTS,
  subjectOf,
} from "@scbe/contracts";
import { splitEnvelope } from "@scbe/envelope";
import { connectProbe, createTestHost, eventually } from "@scbe/testkit";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FaultyGateway, faultyGateway, forging, textFor, throwing } from "../kit/faulty-gateway.ts";
import { withBadTag } from "../kit/raw-clients.ts";
import { parseScrape, samplesOf } from "../kit/scrape.ts";
import { type System, startSystem } from "../kit/system.ts";
import { startTap, type Tap } from "../kit/tap.ts";
import { measure, render, type Timings } from "../kit/traffic.ts";
import { type TrustWatch, tellerRow, watchTrust } from "../kit/trust.ts";

/** What an attacker without a provider's keys can do to the trust in it. */

const stack = new AsyncDisposableStack();
const metrics = new Registry();
let system: System;
let tap: Tap;
let orchestrator: Client;
let anthropic: FaultyGateway;
let trust: TrustWatch;

beforeAll(async () => {
  const users = [{ name: "attacker", role: "orchestrator" as const, providers: ["openai"] }];
  const onNats = async (...[nats]: Parameters<typeof startTap>): Promise<void> => {
    tap = stack.use(await startTap(nats));
  };
  system = stack.use(await startSystem({ envelope: false, scorer: true, users, onNats }));
  orchestrator = stack.use(await system.orchestrator());
  const openai = stack.use(await system.gateway("openai", { metrics }));
  await openai.serve({
    provider: "openai",
    handler: ({ header }) => ({ body: Buffer.from(textFor(header.request_id)) }),
  });
  anthropic = stack.use(await faultyGateway(system, "anthropic", throwing));
  trust = stack.use(await watchTrust(system));
});
afterAll(() => stack.disposeAsync());

/** Sends a request that has to succeed. */
async function ask(provider = "openai"): Promise<Answer> {
  const requestId = crypto.randomUUID();
  const body = Buffer.from("Hello");
  const answer = await orchestrator.request({ provider, model: "m", intent: "chat", requestId, body });
  expect(Buffer.from(answer.body).toString()).toBe(textFor(requestId));
  return answer;
}

/** Waits until all requests are counted, and expects only successes. */
async function expectSpotless(provider: string, before: ProviderTrust, requests: number): Promise<void> {
  const { samples } = tellerRow(before);
  const after = await trust.until(provider, (it) => tellerRow(it).samples >= samples + requests);
  const row = { ...tellerRow(before), w: 0, samples: samples + requests, at: expect.any(Number) };
  expect(after).toEqual({ ...before, tellers: { orchestrator: row } });
}

async function connectAs(name: string): Promise<Bus & AsyncDisposable> {
  const host = stack.use(await createTestHost({ transport: system.transport(name), name }));
  return host.bus;
}

/** The number of envelopes that the gateway of openai has refused so far. */
async function refusals(): Promise<number> {
  const samples = samplesOf(parseScrape(await metrics.metrics()), "scbe_envelope_openings_total");
  return samples
    .filter(({ labels }) => labels.result !== "opened")
    .reduce((sum, { value }) => sum + value, 0);
}

describe("an attacker that can publish on a provider's request subject, and has recorded all traffic", () => {
  const PER_TURN = 10;
  const TURN_MS = 50;
  const COUNT = 500;

  test("takes no trust from the provider by a flood, and each request succeeds, with a p99 below 25 ms", async () => {
    for (let n = 0; n < 50; n += 1) await ask();
    await using bus = await connectAs("attacker");
    const inbox = inboxSeen();
    const make = weaponsFrom(recorded());
    await trust.until("openai", (it) => tellerRow(it).samples === 50);
    const before = trust.of("openai");
    const refusedBefore = await refusals();
    await using probe = await connectProbe({ name: "attacker", transport: system.transport("attacker") });
    let sent = 0;
    /** Envelopes with replies to the attacker. A gateway drops all others unopened. */
    let own = 0;
    const flood = setInterval(() => {
      for (const data of Array.from({ length: PER_TURN }, (_, n) => make(sent + n))) {
        // Half of the reply subjects are the orchestrator's.
        if (sent % 2 === 0)
          void probe.publish(
            subjectOf("request", { user: "attacker", provider: "openai" }),
            data,
            `${inbox}${guess()}`,
          );
        else {
          own += 1;
          stack.use(bus.exchange(subjectOf("request", { user: bus.user, provider: "openai" }), data, DEAF));
        }
        sent += 1;
      }
    }, TURN_MS);
    const rounds: Timings[] = [];
    const floodedAt = performance.now();
    try {
      while (rounds.length < 3 && !rounds.some(({ p99 }) => p99 < 25))
        rounds.push(await measure({ count: COUNT, warmUp: 20 }, () => ask()));
    } finally {
      clearInterval(flood);
    }
    const seconds = (performance.now() - floodedAt) / 1000;
    print(`${sent} sent by the attacker; ${rounds.map(render).join("; ")}`);
    expect(sent / seconds).toBeGreaterThan(((PER_TURN * 1000) / TURN_MS) * 0.5);
    await eventually(async () => (await refusals()) === refusedBefore + own, { timeoutMs: 20_000 });
    await expectSpotless("openai", before, rounds.length * (COUNT + 20));
    expect(Math.min(...rounds.map(({ p99 }) => p99))).toBeLessThan(25);
  }, 120_000);

  const DEAF = { onAnswer: () => undefined, onFailure: () => undefined };

  /** The recorded envelopes: requests to openai, and responses. */
  function recorded(): { readonly requests: Buffer[]; readonly responses: Buffer[] } {
    const envelopes = tap.messages.filter(({ data }) => splitEnvelope(data) !== undefined);
    const isRequest = ({ subject }: { subject: string }) =>
      namesIn("request", subject)?.provider === "openai";
    return {
      requests: envelopes.filter(isRequest).map(({ data }) => data),
      responses: envelopes.filter((it) => it.subject.startsWith("_INBOX.")).map(({ data }) => data),
    };
  }

  /** In turn: noise, recorded envelopes with one bit changed, replays, and responses in place of requests. */
  function weaponsFrom({ requests, responses }: ReturnType<typeof recorded>): (nth: number) => Buffer {
    expect([requests.length, responses.length]).toEqual([50, 50]);
    const some = (all: readonly Buffer[], nth: number): Buffer => all[nth % all.length] as Buffer;
    const kinds = [
      () => randomBytes(512),
      (nth: number) => withBadTag(some(requests, nth)),
      (nth: number) => withBitFlipped(some(requests, nth), nth),
      (nth: number) => some(requests, nth),
      (nth: number) => some(responses, nth),
    ];
    return (nth) => (kinds[nth % kinds.length] as (nth: number) => Buffer)(nth);
  }

  function withBitFlipped(bytes: Buffer, nth: number): Buffer {
    const altered = Buffer.from(bytes);
    const at = nth % altered.length;
    altered.writeUInt8(altered.readUInt8(at) ^ (1 << (nth % 8)), at);
    return altered;
  }
});

describe("an attacker with the credentials of another provider's gateway", () => {
  test("publishes nothing that moves trust, and neither sends nor hears requests to another provider", async () => {
    const transport = system.transport("gateway-anthropic");
    await using probe = await connectProbe({ name: "gateway-anthropic", transport });
    const providers = ["openai", "anthropic"] as const;
    const subjects = [
      subjectOf("trustWord", { user: "gateway-anthropic" }),
      SUBJECTS.trustState,
      ...Object.values(KV_KEYS).map((key) => `$KV.${BUCKETS.trust}.${key}`),
      ...(["trustTell", "outcome", "trustReuse", "nonceReuse"] as const).flatMap((kind) =>
        providers.map((provider) => subjectOf(kind, { user: "gateway-anthropic", provider })),
      ),
      subjectOf("request", { user: "gateway-anthropic", provider: "openai" }),
      subjectOf("sealResponse", { user: "gateway-anthropic", provider: "openai", intent: "chat" }),
      subjectOf("grant", { user: "gateway-anthropic", provider: "openai" }),
      subjectOf("admit", { user: "gateway-anthropic", provider: "openai" }),
    ];
    expect(await probe.refusedPublishes(subjects)).toEqual(new Set(subjects));
    const cells = [
      patternOf("request", { provider: "openai" }),
      `${patternOf("request", { provider: "openai" })} ${QUEUES.gateways}`,
      subjectOf("cancel", { provider: "openai" }),
      `${inboxSeen()}*`,
      "_INBOX.orchestrator.orchestrator.>",
    ];
    expect(await probe.refusedSubscriptions(cells)).toEqual(new Set(cells));
  });

  const NOISE = randomBytes(512);
  const statuses = [STATUS.refused, STATUS.busy, STATUS.accepted, STATUS.sealed, STATUS.opened];

  test("cannot affect a request to another provider by messages into the orchestrator's inbox", async () => {
    await ask("anthropic");
    const own = inboxSeen();
    const lastOwn = tap.messages.findLast(
      ({ subject }) => namesIn("request", subject)?.provider === "anthropic",
    );
    const answers = tap.messages.filter(({ subject }) => subject === lastOwn?.reply);
    await using bus = await connectAs("gateway-anthropic");
    const before = trust.of("openai");
    const requests = Array.from({ length: 200 }, async (_, n) => {
      for (const status of statuses) {
        const headers = { [HEADERS.status]: status };
        bus.publish(`${own}${guess()}`, NOISE, headers);
        bus.publish(lastOwn?.reply ?? "", NOISE, headers);
        bus.publish(`${own}${guess()}`, answers[n % answers.length]?.data ?? NOISE, headers);
      }
      return ask();
    });
    await Promise.all(requests);
    await expectSpotless("openai", before, 200);
  });

  test("can ruin the trust in its own provider only", async () => {
    const before = trust.of("openai");
    anthropic.isBad = true;
    for (const _ of [1, 2, 3, 4, 5])
      await expect(ask("anthropic")).rejects.toMatchObject({ code: "HANDLER_FAILED" });
    await trust.until("anthropic", (it) => tellerRow(it).exclusions === 1);
    await anthropic[Symbol.asyncDispose]();
    await using forger = await faultyGateway(system, "anthropic", forging);
    await ask("anthropic");
    forger.isBad = true;
    await expect(ask("anthropic")).rejects.toMatchObject({ name: "ScbeError" });
    await trust.until("anthropic", ({ latch }) => latch !== null);
    await ask();
    await expectSpotless("openai", before, 1);
  });
});

/** The common part of the orchestrator's reply subjects, which every gateway that answered one knows. */
function inboxSeen(): string {
  const request = tap.messages.find(({ subject }) => subject.startsWith(`${SUBJECTS.request}.`));
  if (request === undefined) throw new Error("no request was sent yet");
  return request.reply.slice(0, request.reply.lastIndexOf(".") + 1);
}

/** A guess at the last token of a reply subject, in its form. */
function guess(): string {
  return `${randomBytes(12).toString("base64url")}${randomBytes(1).readUInt8() % 4}`;
}

const print = (text: string): void => void process.stdout.write(`  ${text}\n`);
