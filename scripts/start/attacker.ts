import { type Bus, connectHostBus, loadIdentity, type Transport } from "@scbe/bus";
import { clientConfig } from "@scbe/client";
import { HEADERS, STATUS, subjectOf } from "@scbe/contracts";
import type { Sealer } from "@scbe/envelope";
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

/** What came back for an envelope, and when. */
export interface RawAnswer {
  readonly status: string | undefined;
  readonly data: Uint8Array;
  readonly afterMs: number;
}

/** An orchestrator that has fallen into the wrong hands: it has the keys, and does with its envelopes what it likes. */
export interface Attacker extends AsyncDisposable {
  /** No refusal may come sooner. */
  readonly noiseFloorMs: number;
  seal(request: ExampleRequest): Uint8Array;
  /** Seals by a clock that is behind by more than an envelope lives. */
  sealStale(request: ExampleRequest): Uint8Array;
  /** Sends any bytes as a request; the first answer that is not just a sign of life. @throws ScbeError; Error when late */
  send(provider: string, bytes: Uint8Array): Promise<RawAnswer>;
}

export interface AttackerOptions {
  readonly transport: Transport;
  readonly variables: Readonly<Record<string, string>>;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Connects as the orchestrator, and resolves when it has its keys. */
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

type Times = VerifierConfig;

function clockBehind({ SCBE_REPLAY_WINDOW_SECONDS, SCBE_MAX_CLOCK_SKEW_SECONDS }: Times): Clock {
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

/** @throws AbortError when given up */
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
