import { join } from "node:path";
import type { Bus, Identity } from "@scbe/bus";
import { BUCKETS, type Environment, KV_KEYS, STORES } from "@scbe/contracts";
import { ringRecordBytes } from "@scbe/envelope/grant";
import { readConfig } from "@scbe/runtime";
import {
  connectRawStore,
  createStoreHost,
  createTempDir,
  eventually,
  type SecuredNats,
  type TestHost,
} from "@scbe/testkit";
import { config } from "../src/config.ts";
import { kvRingStore } from "../src/edge/kv-ring-store.ts";
import { createKeyFile } from "../src/edge/local-kms.ts";
import type { RingStore } from "../src/ring-keeper.ts";
import { start } from "../src/service.ts";

export interface KeyringOptions {
  /** Beside the users: `SCBE_KMS_KEY_FILE` or `SCBE_KMS_KEY_ID`. */
  readonly variables: Readonly<Record<string, string>>;
}

/** A keyring in the test's process, on a real server, as the user `keyring`. */
export interface Keyring extends AsyncDisposable {
  readonly host: TestHost;
  /** Resolves when it is ready and in the queue group. */
  serving(): Promise<void>;
  /** The dependency of that name, as `/readyz` shows it. */
  dependency(
    name: string,
  ): { readonly ok: boolean; readonly reason?: string; readonly note?: string } | undefined;
  /** The value of a metric, as `/metrics` shows it: `scbe_keyring_kms_up`. */
  metric(line: string): Promise<number | undefined>;
}

/** @throws what the service's start throws, and Error for a bad configuration */
export async function startKeyring(nats: SecuredNats, { variables }: KeyringOptions): Promise<Keyring> {
  const reading = readConfig(config, {
    SCBE_PROVIDERS: "openai,anthropic",
    SCBE_USERS_FILE: nats.credentials.usersFile,
    ...variables,
  });
  if (!reading.ok) throw new Error(reading.problems.join("\n"));
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await createStoreHost(nats, "keyring"));
  stack.use(await start(reading.config, host));
  const held = stack.move();
  return {
    host,
    serving: async () => {
      await eventually(() => host.readiness.ready && isJoined(host), { timeoutMs: 15_000 });
      await host.bus.flush();
    },
    dependency: (name) => host.readiness.report().find((row) => row.name === name),
    metric: async (line) => {
      const text = await host.metrics.metrics();
      const found = text.split("\n").find((candidate) => candidate.startsWith(`${line} `));
      return found === undefined ? undefined : Number(found.slice(line.length + 1));
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Whether the last log line about queue groups says that it joined them. */
function isJoined({ logs }: TestHost): boolean {
  return logs.lines.findLast(({ msg }) => msg === "joined" || msg === "left")?.msg === "joined";
}

/** The ring's record in KV, which only the user `keyring` can access. */
export interface RingPlace extends AsyncDisposable {
  readonly bus: Bus;
  readonly store: RingStore;
  /** Signs any value as the keyring, and stores it. */
  put(ring: unknown): Promise<void>;
  /** Stores any bytes. */
  putBytes(bytes: Uint8Array): Promise<void>;
  /** Deletes the record. */
  clear(): Promise<void>;
}

export async function openRingPlace(nats: SecuredNats, env: Environment = "dev"): Promise<RingPlace> {
  const host = await createStoreHost(nats, "keyring");
  const bucket = await host.store.bucket(BUCKETS.keyring);
  const { identity } = host;
  if (identity === undefined) throw new Error("the keyring has no identity");
  const revision = async () => (await bucket.get(KV_KEYS.ring))?.revision;
  const putBytes = async (bytes: Uint8Array): Promise<void> => {
    const at = await revision();
    if (at === undefined) await bucket.create(KV_KEYS.ring, bytes);
    else await bucket.update(KV_KEYS.ring, bytes, at);
  };
  return {
    bus: host.bus,
    store: kvRingStore(bucket, { env, identity }),
    put: (ring) => putBytes(signedRing(ring, identity)),
    putBytes,
    clear: async () => {
      const subject = `$KV.${STORES.keyring.bucket}.${STORES.keyring.keys[0]}`;
      await using raw = await connectRawStore(nats, "keyring");
      await raw.delete(subject);
    },
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

/** A signed record as a keyring stores it, of any value. */
export function signedRing(ring: unknown, identity: Identity): Uint8Array {
  const text = JSON.stringify(ring);
  const signature = Buffer.from(identity.sign(ringRecordBytes(Buffer.from(text)))).toString("base64url");
  return Buffer.from(JSON.stringify({ v: 1, ring: text, signature }));
}

/** A new key file in its own folder. */
export async function newKeyFile(): Promise<Disposable & { readonly path: string }> {
  const dir = createTempDir();
  const path = join(dir.path, "kms.key");
  await createKeyFile(path);
  return { path, [Symbol.dispose]: () => dir[Symbol.dispose]() };
}
