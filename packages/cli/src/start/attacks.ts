import { type Bus, connectHostBus, loadIdentity, type Transport } from "@scbe/bus";
import { clientConfig } from "@scbe/client";
import { HEADERS, STATUS, subjectOf } from "@scbe/contracts";
import { NOISE_BYTES, type Sealer } from "@scbe/envelope";
import type { ExampleRequest } from "@scbe/examples/decode-requests";
import {
  type Clock,
  createReadiness,
  type Logger,
  type Readiness,
  readConfig,
  systemClock,
  UnservedRegistry,
} from "@scbe/runtime";
import { openVerifier, type VerifierConfig } from "@scbe/verifier";

/** The result of one attack. */
export interface AttackReport {
  readonly name: string;
  /** True for noise of the right length that came no sooner than the noise floor. */
  readonly refused: boolean;
  /** 0: no answer. */
  readonly answer_bytes: number;
  /** Time until the answer. */
  readonly after_ms: number;
  /** What came instead of noise, for the report. */
  readonly instead?: string;
}

interface Attack {
  readonly name: string;
  /** @returns the envelope to send, and the provider. @throws Error when the honest request before it fails */
  prepare(attacker: Attacker, request: ExampleRequest, otherProvider: string): Promise<Sendable> | Sendable;
}

interface Sendable {
  readonly provider: string;
  readonly bytes: Uint8Array;
}

const ATTACKS: readonly Attack[] = [
  {
    name: "replayed envelope",
    prepare: async (attacker, request) => {
      const bytes = attacker.seal(request);
      await answerTo(attacker, request.provider, bytes);
      return { provider: request.provider, bytes };
    },
  },
  {
    name: "flipped bit",
    prepare: (attacker, request) => {
      const bytes = Buffer.from(attacker.seal(request));
      const middle = bytes.length - Math.ceil(request.body.length / 2);
      bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
      return { provider: request.provider, bytes };
    },
  },
  {
    name: "swapped provider",
    prepare: (attacker, request, otherProvider) => ({
      provider: otherProvider,
      bytes: attacker.seal(request),
    }),
  },
  {
    name: "stale envelope",
    prepare: (attacker, request) => ({ provider: request.provider, bytes: attacker.sealStale(request) }),
  },
  {
    name: "response sent as a request",
    prepare: async (attacker, request) => {
      const bytes = await answerTo(attacker, request.provider, attacker.seal(request));
      return { provider: request.provider, bytes };
    },
  },
];

/**
 * Tries every attack on the gateways, all at once.
 * @param request the request that the attacks start from
 * @param otherProvider the provider of the swapped envelope
 */
export function attack(
  attacker: Attacker,
  request: ExampleRequest,
  otherProvider: string,
): Promise<AttackReport[]> {
  return Promise.all(
    ATTACKS.map(async ({ name, prepare }) => {
      try {
        const { provider, bytes } = await prepare(attacker, request, otherProvider);
        return { name, ...judge(await attacker.send(provider, bytes), attacker.noiseFloorMs) };
      } catch (error) {
        const instead = error instanceof Error ? error.message : String(error);
        return { name, refused: false, answer_bytes: 0, after_ms: 0, instead };
      }
    }),
  );
}

/** Tolerance of timers and clocks. */
const SLACK_MS = 1;

function judge({ status, data, afterMs }: RawAnswer, noiseFloorMs: number): Omit<AttackReport, "name"> {
  const facts = { answer_bytes: data.length, after_ms: afterMs };
  if (status !== STATUS.refused) return { ...facts, refused: false, instead: `the answer is ${status}` };
  if (data.length !== NOISE_BYTES)
    return { ...facts, refused: false, instead: "the noise has another length" };
  if (afterMs < noiseFloorMs - SLACK_MS) return { ...facts, refused: false, instead: "the noise came early" };
  return { ...facts, refused: true };
}

/** The sealed response to an honest envelope. Without it, a later refusal would prove nothing. */
async function answerTo(attacker: Attacker, provider: string, bytes: Uint8Array): Promise<Uint8Array> {
  const { status, data } = await attacker.send(provider, bytes);
  if (status === STATUS.sealed) return data;
  throw new Error(`an honest request was answered ${status}`);
}

/** The reply to an envelope. */
export interface RawAnswer {
  readonly status: string | undefined;
  readonly data: Uint8Array;
  readonly afterMs: number;
}

/** A compromised orchestrator: it has the keys, and sends any bytes. */
export interface Attacker extends AsyncDisposable {
  /** The least time before a refusal. */
  readonly noiseFloorMs: number;
  seal(request: ExampleRequest): Uint8Array;
  /** Seals by a clock that is behind by more than an envelope's lifetime. */
  sealStale(request: ExampleRequest): Uint8Array;
  /** Sends any bytes as a request; resolves with the first answer after the acknowledgement. @throws ScbeError; Error when it is late */
  send(provider: string, bytes: Uint8Array): Promise<RawAnswer>;
}

export interface AttackerOptions {
  readonly transport: Transport;
  readonly variables: Readonly<Record<string, string>>;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Connects as the orchestrator; resolves when it has its keys. */
export async function connectAttacker(options: AttackerOptions): Promise<Attacker> {
  const { transport, variables, log, signal } = options;
  const config = configOf({ ...variables, NATS_URL: transport.servers.join(",") });
  await using stack = new AsyncDisposableStack();
  const readiness = createReadiness();
  const bus = stack.use(await connectHostBus({ ...transport, name: "orchestrator", log, readiness, signal }));
  const sealerAt = async (clock: Clock): Promise<Sealer> => {
    const ready = createReadiness();
    const host = {
      name: "orchestrator",
      bus,
      identity: loadIdentity(transport),
      clock,
      log,
      readiness: ready,
      metrics: new UnservedRegistry(),
    };
    const verifier = stack.use(openVerifier(host, config, { as: "orchestrator" }));
    await untilReady(ready, signal);
    return verifier.sealer;
  };
  const [sealer, staleSealer] = await Promise.all([sealerAt(systemClock), sealerAt(clockBehind(config))]);
  const held = stack.move();
  return {
    noiseFloorMs: config.SCBE_NOISE_FLOOR_MS,
    seal: (request) => seal(sealer, request),
    sealStale: (request) => seal(staleSealer, request),
    send: (provider, bytes) => send(bus, provider, bytes, signal),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function configOf(variables: Readonly<Record<string, string>>) {
  const reading = readConfig(clientConfig, variables);
  if (reading.ok) return reading.config;
  throw new Error(`the orchestrator's configuration:\n  ${reading.problems.join("\n  ")}`);
}

const MARGIN_MS = 60_000;

function clockBehind({ SCBE_REPLAY_WINDOW_SECONDS, SCBE_MAX_CLOCK_SKEW_SECONDS }: VerifierConfig): Clock {
  const behindMs = (SCBE_REPLAY_WINDOW_SECONDS + SCBE_MAX_CLOCK_SKEW_SECONDS) * 1000 + MARGIN_MS;
  return { now: () => Date.now() - behindMs, monotonic: systemClock.monotonic };
}

function seal(sealer: Sealer, { provider, model, intent, contentType, body }: ExampleRequest): Uint8Array {
  const requestId = crypto.randomUUID();
  return sealer.sealRequest({ provider, model, intent, contentType, requestId, body }).bytes;
}

const ANSWER_MS_MAX = 30_000;

function send(bus: Bus, provider: string, bytes: Uint8Array, signal: AbortSignal): Promise<RawAnswer> {
  const started = performance.now();
  const answer = Promise.withResolvers<RawAnswer>();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS_MAX)]);
  const giveUp = (): void => answer.reject(new Error(`no answer within ${ANSWER_MS_MAX} ms`));
  limit.addEventListener("abort", giveUp, { once: true });
  const exchange = bus.exchange(subjectOf("request", { user: bus.user, provider }), bytes, {
    onAnswer: (message) => {
      const status = message.header(HEADERS.status);
      if (status === STATUS.accepted) return;
      answer.resolve({ status, data: message.data, afterMs: performance.now() - started });
    },
    onFailure: answer.reject,
  });
  return answer.promise.finally(() => {
    limit.removeEventListener("abort", giveUp);
    exchange[Symbol.dispose]();
  });
}

/** @throws AbortError when `signal` aborts */
async function untilReady(readiness: Readiness, signal: AbortSignal): Promise<void> {
  const ready = Promise.withResolvers<void>();
  using _following = readiness.onChange((isReady) => isReady && ready.resolve());
  const giveUp = (): void => ready.reject(signal.reason);
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    signal.throwIfAborted();
    if (!readiness.ready) await ready.promise;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
