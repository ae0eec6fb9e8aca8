import { randomUUID } from "node:crypto";
import {
  followReadiness,
  kvLeaderStore,
  Leadership,
  mendedRecord,
  ownerStream,
  type StoreHost,
} from "@scbe/bus";
import { BUCKETS, STREAMS, SUBJECTS, subjectOf, writeMessage } from "@scbe/contracts";
import { UsersFile } from "@scbe/service";
import type { TrustScorerConfig } from "./config.ts";
import { tellersAmong } from "./domain/tellers.ts";
import { kvRelayStore, kvTrustStore } from "./edge/kv-trust-store.ts";
import { trustEndpoints } from "./endpoints.ts";
import { countEvents, watchTrust } from "./metrics.ts";
import { ReuseRelay } from "./reuse-relay.ts";
import { Scorer } from "./scorer.ts";
import { startTrustLoop } from "./trust-loop.ts";

/** The part of the configuration that the service uses. */
export type ScorerConfig = Pick<
  TrustScorerConfig,
  | "SCBE_ENVIRONMENT"
  | "SCBE_PROVIDERS"
  | "SCBE_USERS_FILE"
  | "SCBE_TRUST_LEADER_MS"
  | "SCBE_TRUST_EXCLUSION_MS"
  | "SCBE_TRUST_EXCLUSION_MAX_MS"
>;

/** The trust scorer: one of them leads, applies the trust stream to the stored state, and broadcasts the document. The others stand by. */
export async function start(config: ScorerConfig, host: StoreHost): Promise<AsyncDisposable> {
  const { bus, store, clock, log, readiness, metrics } = host;
  const { SCBE_ENVIRONMENT: env, SCBE_TRUST_LEADER_MS: leaderMs } = config;
  const providers = new Set(config.SCBE_PROVIDERS);
  await using stack = new AsyncDisposableStack();
  const bucket = await store.bucket(BUCKETS.trust, { signal: host.signal });
  const leaders = stack.use(kvLeaderStore(store, bucket));
  const leadership = stack.use(new Leadership({ store: leaders, clock, log, id: randomUUID(), leaderMs }));
  const isLeading = (): boolean => leadership.leading;
  const trust = stack.use(kvTrustStore(store, bucket, isLeading));
  const users = stack.use(await UsersFile.open({ path: config.SCBE_USERS_FILE, log, readiness }));
  let tellers = tellersAmong(users.users, config.SCBE_PROVIDERS);
  stack.use(
    users.onChange(() => {
      tellers = tellersAmong(users.users, config.SCBE_PROVIDERS);
    }),
  );
  const scorer = new Scorer({
    ...{ leadership, clock, log, providers },
    stream: store.stream(STREAMS.trustEvents),
    store: trust,
    send: (document) => bus.publish(SUBJECTS.trustState, writeMessage(document)),
    onRead: countEvents(metrics),
    onMended: mendedRecord({ metrics, readiness, log, record: "trust" }),
    tellers: () => tellers,
    weighing: {
      exclusionMs: config.SCBE_TRUST_EXCLUSION_MS,
      exclusionMsMax: config.SCBE_TRUST_EXCLUSION_MAX_MS,
    },
  });
  const relay = new ReuseRelay({
    ...{ events: store, env, providers, leadership },
    security: ownerStream(bus, subjectOf("securityRead", { user: bus.user })),
    store: stack.use(
      kvRelayStore(store, bucket, {
        isLeading,
        onMended: mendedRecord({ metrics, readiness, log, record: "trust_relay" }),
      }),
    ),
  });
  stack.use(
    watchTrust(metrics, config.SCBE_PROVIDERS, {
      leading: isLeading,
      now: () => clock.now(),
      inForce: () => {
        const { document, lag } = scorer;
        return isLeading() && document !== undefined ? { document, lag } : undefined;
      },
    }),
  );
  const service = stack.use(
    bus.service(
      trustEndpoints({
        events: store,
        document: async () => scorer.document ?? (await trust.readDocument()),
        providers,
        tellers: () => tellers,
        version: host.version,
      }),
    ),
  );
  stack.use(followReadiness(service, readiness));
  stack.use(startTrustLoop({ scorer, relay, leadership, readiness, log }));
  return stack.move();
}
