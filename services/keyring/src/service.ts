import { BUCKETS, ScbeError } from "@scbe/contracts";
import { followReadiness, type Host } from "@scbe/service-kit";
import type { KeyringConfig } from "./config.ts";
import { decryptOnlyMsMax } from "./domain/openable.ts";
import { readAskersFile } from "./edge/askers-file.ts";
import { chooseKms } from "./edge/choose-kms.ts";
import { kvRingStore } from "./edge/kv-ring-store.ts";
import { keyringEndpoints } from "./endpoints.ts";
import { Grants } from "./grants.ts";
import { keepRing } from "./keep-ring.ts";
import { keyringMetrics } from "./metrics.ts";
import { RingBroadcast } from "./ring-broadcast.ts";
import { RingKeeper } from "./ring-keeper.ts";
import { timedKms } from "./timed-kms.ts";
import { watchKms } from "./watched-kms.ts";

/**
 * The keyring: reads or makes the ring, loads its keys, answers grants and broadcasts the ring's states. It comes up
 * without KMS, not ready, and goes on trying.
 * @throws ScbeError BAD_REQUEST without an nkey to sign with, or for a key file or a list of askers that is none,
 *   FORBIDDEN when the stored ring is another environment's or not signed by a keyring, INTERNAL when it is no ring
 */
export async function start(config: KeyringConfig, host: Host): Promise<AsyncDisposable> {
  const { bus, clock, identity, log, readiness } = host;
  if (identity === undefined)
    throw new ScbeError("BAD_REQUEST", "the keyring signs: it needs NATS_NKEY_SEED_FILE");
  const env = config.SCBE_ENVIRONMENT;
  const decryptOnlyMaxMs = decryptOnlyMsMax(
    config.SCBE_REPLAY_WINDOW_SECONDS,
    config.SCBE_SKEW_LIMIT_SECONDS,
  );
  const askers = await readAskersFile(config.SCBE_KEYRING_ASKERS_FILE);

  await using stack = new AsyncDisposableStack();
  const metrics = keyringMetrics(host.metrics, clock);
  const kms = stack.use(watchKms(timedKms(await chooseKms(config), clock, metrics), clock));
  const bucket = await bus.bucket(BUCKETS.keyring, { signal: host.signal });
  const formerPublicKey = config.SCBE_KEYRING_FORMER_PUBLIC_KEY;
  const store = kvRingStore(bucket, { env, identity, formerPublicKey });
  const probeMs = config.SCBE_KMS_PROBE_SECONDS * 1000;
  const keeper = new RingKeeper({ kms, store, clock, log, env, decryptOnlyMaxMs, probeMs });
  stack.defer(() => keeper.forget());

  const served = { env, providers: config.SCBE_PROVIDERS, intents: config.SCBE_INTENTS, askers };
  const grants = new Grants({ keeper, served, identity, clock, decryptOnlyMaxMs });
  const broadcast = stack.use(new RingBroadcast({ bus, clock, identity, decryptOnlyMaxMs }));
  stack.use(await keepRing({ keeper, store, kms, broadcast, bus, readiness, metrics, log }));

  const onGrant = (): void => broadcast.sendSoon(() => keeper.ring);
  const { version } = host;
  const service = stack.use(bus.service(keyringEndpoints({ grants, metrics, onGrant, log, version })));
  stack.use(followReadiness(service, readiness));
  return stack.move();
}
