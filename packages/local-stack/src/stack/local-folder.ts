import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createKeyFile } from "@scbe/keyring/local-kms";
import { ownFolder, takeLock, whyNotAllOwn } from "@scbe/runtime";

/** The folder of everything that outlives a start. Only its owner can enter it. */
export interface LocalFolder extends Disposable {
  readonly path: string;
  /** Of every user of the bus; users that a person adds are kept. */
  readonly credentials: string;
  /** The key of the local KMS. */
  readonly kmsKeyFile: string;
  /** One file for each token of the control API, named after its variable. */
  readonly tokens: string;
  /** JetStream's files: key ring, record of the replay epoch, security events. */
  readonly natsStore: string;
  readonly redisStore: string;
  /** Configurations and data of Prometheus, Alertmanager and Jaeger; removed at the next start. */
  readonly monitoring: string;
  /** Files in which servers report their ports; removed at the next start. */
  readonly ports: string;
  /** Removed at the next start. */
  logFile(name: string): string;
}

/**
 * Opens the folder of the local stack for this process alone, until it is disposed of; creates it if it is missing. Removes the logs,
 * metrics and alerts of the previous start.
 * @throws Error with an advice when the folder holds other files, when another user of the machine can write to it, or when another
 *   start uses it
 */
export function openFolder(root: string, name: string): LocalFolder {
  const wanted = resolve(root, name);
  ownFolder(wanted);
  const path = realpathSync(wanted);
  expectOurs(path);
  const lock = takeLock(path);
  if (lock.kind === "held") {
    throw new Error(
      `another npm start, process ${lock.pid}, runs on ${path}: stop it (kill ${lock.pid}), or have SCBE_LOCAL_DIR name another folder`,
    );
  }
  try {
    const problems = whyNotAllOwn(path);
    if (problems.length > 0) throw new Error(problems.join("\n"));
    chmodSync(path, 0o700);
    writeFileSync(join(path, MARK), MARK_TEXT, { mode: 0o600 });
    return foldersIn(path, lock.release);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** A start removes logs and stores in it, so a folder that is not empty must have our mark. */
function expectOurs(path: string): void {
  const found = readdirSync(path).filter((entry) => !entry.startsWith("lock."));
  if (found.length === 0 || found.some((entry) => MARKS.includes(entry))) return;
  throw new Error(`${path} is no folder of npm start, and not empty; SCBE_LOCAL_DIR names another folder`);
}

const MARK = ".scbe-local";
const MARK_TEXT = "Made by npm start, which drops and makes anew what is in here.\n";
/** Earlier versions left only the key. */
const MARKS: readonly string[] = [MARK, "kms.key"];

function foldersIn(path: string, release: () => void): LocalFolder {
  const inside = (name: string): string => {
    mkdirSync(join(path, name), { recursive: true, mode: 0o700 });
    return join(path, name);
  };
  for (const name of REMOVED_AT_START) rmSync(join(path, name), { recursive: true, force: true });
  const logs = inside("logs");
  return {
    path,
    credentials: inside("credentials"),
    kmsKeyFile: join(path, "kms.key"),
    tokens: inside("tokens"),
    natsStore: inside("nats"),
    redisStore: inside("redis"),
    monitoring: inside("monitoring"),
    ports: inside("ports"),
    logFile: (name) => join(logs, `${name}.log`),
    [Symbol.dispose]: release,
  };
}

const REMOVED_AT_START = ["logs", "monitoring", "ports"];

/**
 * Removes what the deployment has stored: kill switch, flags, canaries, trust, audit, keys, and the record of replays. Keeps its users,
 * its tokens and the key of the local KMS.
 * @returns the folders that were not empty
 */
export function emptyStores({ natsStore, redisStore }: LocalFolder): readonly string[] {
  const stores = [natsStore, redisStore].filter((store) => readdirSync(store).length > 0);
  for (const store of stores) emptyFolder(store);
  return stores;
}

/** Keeps the folder itself: it can be a symbolic link of the user's. */
function emptyFolder(path: string): void {
  for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true, force: true });
}

/** A stored key ring is useless without the key that wraps it, so a new key empties the store. */
export async function keepOrCreateKmsKey({ kmsKeyFile, natsStore }: LocalFolder): Promise<void> {
  if (existsSync(kmsKeyFile)) return;
  emptyFolder(natsStore);
  await createKeyFile(kmsKeyFile);
}

/** The tokens of the control API. @returns the variables that name their files */
export function keepOrCreateTokens({ tokens }: LocalFolder): Record<string, string> {
  const names = ["ADMIN_TOKEN", "EMERGENCY_TOKEN", "SCBE_ALERTMANAGER_TOKEN"];
  return Object.fromEntries(
    names.map((name) => {
      const file = join(tokens, name);
      if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString("base64url"), { mode: 0o600 });
      return [`${name}_FILE`, file];
    }),
  );
}
