import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Bus, connectBus, connectStore } from "@scbe/bus";
import {
  BUCKETS,
  KV_KEYS,
  STREAMS,
  SUBJECTS,
  subjectOf,
  TrustDocument,
  type TrustEvent,
  UserList,
  writeMessage,
} from "@scbe/contracts";
import { createLogger } from "@scbe/service";
import {
  connectRawStore,
  createStoreHost,
  eventually,
  type SecuredNats,
  type SecuredNatsOptions,
  startProcess,
  startSecuredNats,
  startTestGuard,
} from "@scbe/testkit";
import { apply } from "../src/domain/apply.ts";
import { tellersAmong, withTellers } from "../src/domain/tellers.ts";
import { emptyTrust, readTrust, TRUST_DEFAULTS, type TrustState } from "../src/domain/trust-state.ts";
import { type ScorerConfig, start } from "../src/service.ts";
import { eventOf, ORCHESTRATOR } from "./trust-story.ts";

export const PROVIDERS = ["openai", "xai"];
export const LEADER_MS = 900;
/** Long enough for a machine that runs other tests at the same time. */
export const LONG = { timeoutMs: 30_000 };
const PROGRAM = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const log = createLogger({ name: "test", level: "silent" });

/** A real bus with the users that report or change trust, and the account of the scorer's store. */
export async function startStage(options: SecuredNatsOptions = {}) {
  await using stack = new AsyncDisposableStack();
  const nats = stack.use(await startSecuredNats({ providers: PROVIDERS, ...options }));
  const as = async (name: string): Promise<Bus> =>
    stack.use(await connectBus({ ...nats.transport(name), name, log }));
  const [orchestrator, controller] = [await as("orchestrator"), await as("rollback-controller")];
  const guard = stack.use(await startTestGuard(nats));
  const raw = stack.use(await connectRawStore(nats, "trust"));
  const store = stack.use(await connectStore({ ...nats.storeTransport("trust"), log }));
  const bucket = await store.bucket(BUCKETS.trust);
  const events = store.stream(STREAMS.trustEvents);
  const documents: TrustDocument[] = [];
  orchestrator.subscribe(SUBJECTS.trustState, ({ data }) => {
    documents.push(TrustDocument.parse(JSON.parse(Buffer.from(data).toString("utf8"))));
  });
  await orchestrator.flush();
  const held = stack.move();
  return {
    ...{ nats, orchestrator, guard, controller, raw, store, bucket, events, documents },
    /** From the list that the scorers read. */
    tellers: () =>
      tellersAmong(UserList.parse(JSON.parse(readFileSync(nats.credentials.usersFile, "utf8"))), PROVIDERS),
    /** The stored state, once all of the stream is applied. */
    settled: (): Promise<TrustState> =>
      eventually(async () => {
        const { last } = await events.bounds();
        const entry = await bucket.get(KV_KEYS.trustState);
        const state = entry && readTrust(entry.value);
        return state?.stream.seq === last ? state : undefined;
      }, LONG),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

export type Stage = Awaited<ReturnType<typeof startStage>>;

/** One scorer in this process, with a scorer's rights; by default resolves when it leads and is ready. */
export async function startScorer(
  nats: SecuredNats,
  { awaitReady = true, ...more }: Partial<ScorerConfig> & { readonly awaitReady?: boolean } = {},
) {
  await using stack = new AsyncDisposableStack();
  const name = "trust-scorer";
  const host = stack.use(await createStoreHost(nats, name));
  const config = {
    SCBE_ENVIRONMENT: "dev" as const,
    SCBE_PROVIDERS: PROVIDERS,
    SCBE_USERS_FILE: nats.credentials.usersFile,
    SCBE_TRUST_LEADER_MS: LEADER_MS,
    SCBE_TRUST_EXCLUSION_MS: TRUST_DEFAULTS.exclusionMs,
    SCBE_TRUST_EXCLUSION_MAX_MS: TRUST_DEFAULTS.exclusionMsMax,
    ...more,
  };
  stack.use(await start(config, host));
  if (awaitReady) await eventually(() => host.readiness.ready, LONG);
  const held = stack.move();
  return {
    host,
    /** Resolves with the reason when the trust state is not ready for a reason with this text. */
    troubled: (text: string) =>
      eventually(() => {
        const found = host.readiness.report().find(({ name }) => name === "trust state");
        return found?.ok === false && found.reason?.includes(text) ? found.reason : undefined;
      }, LONG),
    metric: async (name: string, labels: Readonly<Record<string, string>> = {}) => {
      const rows = (await host.metrics.getSingleMetric(name)?.get())?.values ?? [];
      const isMeant = (of: object) =>
        Object.entries({ ...of, ...labels }).every(([k, v]) => of[k as never] === v);
      return rows.find((row) => isMeant(row.labels))?.value;
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** A scorer as its own process, as in production. */
export async function launchScorer(nats: SecuredNats) {
  const running = startProcess(process.execPath, [PROGRAM], {
    bareEnv: true,
    ipc: true,
    env: {
      PATH: process.env.PATH ?? "",
      NATS_URL: nats.url,
      ...nats.credentials.environment("trust-scorer"),
      SCBE_PROVIDERS: PROVIDERS.join(","),
      SCBE_USERS_FILE: nats.credentials.usersFile,
      SCBE_OPS_PORT: "0",
      SCBE_TRUST_LEADER_MS: String(LEADER_MS),
    },
  });
  const url = `http://127.0.0.1:${(await running.output(/"opsPort":(\d+)/, LONG))[1]}`;
  const leads = async (): Promise<boolean> =>
    (await (await fetch(`${url}/metrics`)).text()).includes("\nscbe_trust_leading 1\n");
  return {
    running,
    leads,
    ready: () => eventually(async () => (await fetch(`${url}/readyz`)).ok, LONG),
    [Symbol.asyncDispose]: () => running.kill(),
  };
}

/** The subject of overrides. */
export const overrideSubject = subjectOf("trustWord", { user: "rollback-controller" });

/** The subject of an event. */
export function storedAs(event: TrustEvent): string {
  if (event.kind === "calibration" || event.kind === "clearing") return overrideSubject;
  const isReuse = event.kind === "integrity" && event.cause === "nonce_reuse";
  return subjectOf(isReuse ? "trustReuse" : "outcome", { user: tellerOf(event), provider: event.provider });
}

function tellerOf(event: TrustEvent): string {
  return "teller" in event ? event.teller : ORCHESTRATOR;
}

/** Publishes events into the stream, with a scorer's rights and without acknowledgements; resolves when the server has them. */
export async function send({ raw }: Pick<Stage, "raw">, events: readonly TrustEvent[]): Promise<void> {
  for (const event of events)
    raw.connection.publish(
      subjectOf("outcome", { user: tellerOf(event), provider: event.provider }),
      writeMessage(event),
    );
  await raw.connection.flush();
}

/** Events of both providers: successes, too few failures for an exclusion, some repeated. A lost, doubled or reordered event changes the result. */
export function floodOf(count: number): TrustEvent[] {
  return Array.from({ length: count }, (_, n) => {
    const result = n % 499 === 0 ? "timeout" : n % 7 === 0 ? "busy" : "ok";
    const plot = { kind: "outcome", result, count: result === "ok" ? 1 + (n % 3) : 1 } as const;
    return eventOf(plot, n % 100 === 99 ? n - 20 : n, PROVIDERS[n % PROVIDERS.length]);
  });
}

/** The last number of the stored state; 0: nothing is stored. */
export async function appliedIn({ bucket }: Pick<Stage, "bucket">): Promise<number> {
  const entry = await bucket.get(KV_KEYS.trustState);
  return (entry && readTrust(entry.value)?.stream.seq) ?? 0;
}

/** The state of one sequential reading of the whole stream, whose messages are all events. */
export async function replayOf(stage: Pick<Stage, "events" | "tellers">): Promise<TrustState> {
  const { events } = stage;
  const { created, last } = await events.bounds();
  let state = withTellers(emptyTrust(created), stage.tellers());
  for (let seq = 1; seq <= last; ) {
    const message = await events.next(seq);
    if (message === undefined) break;
    const event = JSON.parse(Buffer.from(message.data).toString("utf8")) as TrustEvent;
    state = apply(state, { seq: message.seq, at: message.at, event }, TRUST_DEFAULTS);
    seq = message.seq + 1;
  }
  return state;
}
