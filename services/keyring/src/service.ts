import { followReadiness, mendedRecord, type StoreHost } from "@scbe/bus";
import { BUCKETS, ScbeError, SUBJECTS } from "@scbe/contracts";
import { claimedRing, verifyRing } from "@scbe/envelope/grant";
import { UsersFile } from "@scbe/service";
import type { KeyringConfig } from "./config.ts";
import { decryptOnlyMsMax } from "./domain/openable.ts";
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
 * @throws ScbeError BAD_REQUEST without an nkey to sign with, or for a key file or a list of users that is none,
 *   FORBIDDEN when the stored ring is another environment's or not signed by a keyring, INTERNAL when it is no ring
 */
export async function start(config: KeyringConfig, host: StoreHost): Promise<AsyncDisposable> {
  const { bus, clock, identity, log, readiness } = host;
  if (identity === undefined)
    throw new ScbeError("BAD_REQUEST", "the keyring signs: it needs NATS_NKEY_SEED_FILE");
  const env = config.SCBE_ENVIRONMENT;
  const decryptOnlyMaxMs = decryptOnlyMsMax(
    config.SCBE_REPLAY_WINDOW_SECONDS,
    config.SCBE_SKEW_LIMIT_SECONDS,
  );

  await using stack = new AsyncDisposableStack();
  const users = stack.use(await UsersFile.open({ path: config.SCBE_USERS_FILE, log, readiness }));
  const metrics = keyringMetrics(host.metrics, clock);
  const kms = stack.use(watchKms(timedKms(await chooseKms(config), clock, metrics), clock));
  const bucket = await host.store.bucket(BUCKETS.keyring, { signal: host.signal });
  const formerPublicKey = config.SCBE_KEYRING_FORMER_PUBLIC_KEY;
  let generationHeard = 0;
  const hearing = bus.subscribe(SUBJECTS.ring, ({ data }) => {
    const claim = claimedRing(data);
    if (claim === undefined || claim.claimed.generation <= generationHeard) return;
    const read = verifyRing(claim, identity.publicKey, env);
    if (read.ok) generationHeard = read.ring.generation;
  });
  stack.use(hearing);
  const store = kvRingStore(bucket, {
    ...{ env, identity, formerPublicKey },
    generationHeard: () => Math.max(generationHeard, keeper.ring?.generation ?? 0),
    onMended: mendedRecord({ metrics: host.metrics, readiness, log, record: "ring" }),
  });
  const probeMs = config.SCBE_KMS_PROBE_SECONDS * 1000;
  const keeper: RingKeeper = new RingKeeper({ kms, store, clock, log, env, decryptOnlyMaxMs, probeMs });
  stack.defer(() => keeper.forget());

  const served = { env, providers: config.SCBE_PROVIDERS, intents: config.SCBE_INTENTS, users };
  const grants = new Grants({ keeper, served, identity, clock, decryptOnlyMaxMs });
  const broadcast = stack.use(new RingBroadcast({ bus, clock, identity, decryptOnlyMaxMs }));
  stack.use(
    await keepRing({ keeper, store, kms, broadcast, links: [bus, host.store], readiness, metrics, log }),
  );

  const onGrant = (): void => broadcast.sendSoon(() => keeper.ring);
  const { version } = host;
  const service = stack.use(
    bus.service(
      keyringEndpoints({
        grants,
        ring: () => keeper.ring && broadcast.signed(keeper.ring),
        metrics,
        onGrant,
        log,
        version,
      }),
    ),
  );
  stack.use(followReadiness(service, readiness));
  return stack.move();
}
