import { followReadiness, mendedRecord, type StoreHost } from "@scbe/bus";
import { BUCKETS, ScbeError, SUBJECTS } from "@scbe/contracts";
import { claimedRing, verifyRing } from "@scbe/envelope/grant";
import { UsersFile } from "@scbe/service";
import { type KeyringConfig, LOCAL_KMS } from "./config.ts";
import { decryptOnlyMsMax } from "./domain/openable.ts";
import { kvRingStore } from "./edge/kv-ring-store.ts";
import { localKms, readKeyFile } from "./edge/local-kms.ts";
import { Grants, keyringEndpoints } from "./endpoints.ts";
import { type Kms, timedKms, watchKms } from "./kms.ts";
import { keyringMetrics } from "./metrics.ts";
import { RingBroadcast } from "./ring-broadcast.ts";
import { RingKeeper } from "./ring-keeper.ts";
import { startRingLoop } from "./ring-loop.ts";

/**
 * The keyring: reads or makes the ring, loads its keys, answers grant requests and broadcasts the ring's states. Without KMS it starts, is
 * not ready, and tries again.
 * @throws ScbeError BAD_REQUEST without an nkey to sign with, for a bad key file or a bad list of users; FORBIDDEN when the stored ring is
 *   another environment's or not signed by a keyring; INTERNAL when it is not a ring
 */
export async function start(config: KeyringConfig, host: StoreHost): Promise<AsyncDisposable> {
  const { bus, clock, identity, log, readiness, version } = host;
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
  const kms = stack.use(watchKms(timedKms(await openKms(config), clock, metrics), clock));
  const bucket = await host.store.bucket(BUCKETS.keyring, { signal: host.signal });
  let generationHeard = 0;
  stack.use(
    bus.subscribe(SUBJECTS.ring, ({ data }) => {
      const claim = claimedRing(data);
      if (claim === undefined || claim.claimed.generation <= generationHeard) return;
      const read = verifyRing(claim, identity.publicKey, env);
      if (read.ok) generationHeard = read.ring.generation;
    }),
  );
  const store = kvRingStore(bucket, {
    ...{ env, identity, formerPublicKey: config.SCBE_KEYRING_FORMER_PUBLIC_KEY },
    generationHeard: () => Math.max(generationHeard, keeper.ring?.generation ?? 0),
    onMended: mendedRecord({ metrics: host.metrics, readiness, log, record: "ring" }),
  });
  const probeMs = config.SCBE_KMS_PROBE_SECONDS * 1000;
  const keeper: RingKeeper = new RingKeeper({ kms, store, clock, log, env, decryptOnlyMaxMs, probeMs });
  stack.defer(() => keeper.forget());

  const served = { env, providers: config.SCBE_PROVIDERS, intents: config.SCBE_INTENTS, users };
  const grants = new Grants({ keeper, served, identity, clock, decryptOnlyMaxMs });
  const broadcast = stack.use(new RingBroadcast({ bus, clock, identity, decryptOnlyMaxMs }));
  const links = [bus, host.store];
  stack.use(await startRingLoop({ keeper, store, kms, broadcast, links, readiness, metrics, log }));

  const endpoints = keyringEndpoints({
    ...{ grants, metrics, log, version },
    ring: () => keeper.ring && broadcast.signed(keeper.ring),
    onGrant: () => broadcast.sendSoon(() => keeper.ring),
  });
  const service = stack.use(bus.service(endpoints));
  stack.use(followReadiness(service, readiness));
  return stack.move();
}

/**
 * The KMS that `SCBE_KMS_KEY_ID` names: `local`, or a key of AWS KMS. The AWS SDK is loaded only if it is used.
 * @throws ScbeError BAD_REQUEST when the key file cannot be used
 */
async function openKms(config: KeyringConfig): Promise<Kms> {
  const { SCBE_KMS_KEY_ID: keyId, SCBE_ENVIRONMENT: env, SCBE_KMS_TIMEOUT_MS: timeoutMs } = config;
  if (keyId === LOCAL_KMS) return localKms(await readKeyFile(config.SCBE_KMS_KEY_FILE ?? ""), env);
  const { awsKms } = await import("./edge/aws-kms.ts");
  return awsKms({ keyId, env, timeoutMs });
}
