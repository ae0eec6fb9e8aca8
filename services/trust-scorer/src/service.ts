import { randomUUID } from "node:crypto";
import { BUCKETS, STREAMS, SUBJECTS } from "@scbe/contracts";
import { followReadiness, type Host, kvLeaderStore, Leadership } from "@scbe/service-kit";
import type { TrustScorerConfig } from "./config.ts";
import { kvRelayStore, kvTrustStore } from "./edge/kv-trust-store.ts";
import { trustEndpoints } from "./endpoints.ts";
import { keepTrust } from "./keep-trust.ts";
import { countEvents, showTrust } from "./metrics.ts";
import { ReuseRelay } from "./reuse-relay.ts";
import { Scorer } from "./scorer.ts";

/** What of the configuration it takes. */
export type ScorerConfig = Pick<
  TrustScorerConfig,
  | "SCBE_ENVIRONMENT"
  | "SCBE_PROVIDERS"
  | "SCBE_TRUST_LEADER_MS"
  | "SCBE_TRUST_EXCLUSION_MS"
  | "SCBE_TRUST_EXCLUSION_MAX_MS"
>;

/** The trust scorer: one of them leads, applies the trust stream to the stored state, and tells everybody. The others stand by. */
export async function start(config: ScorerConfig, host: Host): Promise<AsyncDisposable> {
  const { bus, clock, log, readiness, metrics } = host;
  const { SCBE_ENVIRONMENT: env, SCBE_TRUST_LEADER_MS: leaderMs } = config;
  const providers = new Set(config.SCBE_PROVIDERS);
  await using stack = new AsyncDisposableStack();
  const bucket = await bus.bucket(BUCKETS.trust, { signal: host.signal });
  const leaders = stack.use(kvLeaderStore(bus, bucket));
  const leadership = stack.use(new Leadership({ store: leaders, clock, log, id: randomUUID(), leaderMs }));
  const isLeading = (): boolean => leadership.leading;
  const scorer = new Scorer({
    ...{ leadership, clock, log, providers },
    stream: bus.stream(STREAMS.trustEvents),
    store: stack.use(kvTrustStore(bus, bucket, isLeading)),
    send: (document) => bus.publish(SUBJECTS.trustState, Buffer.from(JSON.stringify(document))),
    onRead: countEvents(metrics),
    weighing: {
      exclusionMs: config.SCBE_TRUST_EXCLUSION_MS,
      exclusionMsMax: config.SCBE_TRUST_EXCLUSION_MAX_MS,
    },
  });
  const relay = new ReuseRelay({
    ...{ bus, env, providers, leadership },
    security: bus.stream(STREAMS.security),
    store: stack.use(kvRelayStore(bus, bucket, isLeading)),
  });
  stack.use(
    showTrust(metrics, config.SCBE_PROVIDERS, {
      leading: isLeading,
      now: () => clock.now(),
      inForce: () => {
        const { document, lag } = scorer;
        return isLeading() && document !== undefined ? { document, lag } : undefined;
      },
    }),
  );
  const service = stack.use(bus.service(trustEndpoints({ bus, providers, version: host.version })));
  stack.use(followReadiness(service, readiness));
  stack.use(keepTrust({ scorer, relay, leadership, readiness, log }));
  return stack.move();
}
