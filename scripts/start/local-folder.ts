import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createKeyFile } from "@scbe/keyring/key-file";

/** Where everything is that outlives a start. Only its owner may enter. */
export interface LocalFolder {
  readonly credentials: string;
  /** The key of the local KMS. */
  readonly kmsKeyFile: string;
  /** A file for each token of the control API, by the name of its variable. */
  readonly tokens: string;
  /** JetStream's files: the ring, the record of the replay epoch, security events. */
  readonly natsStore: string;
  readonly redisStore: string;
  /** Configurations and data of Prometheus, Alertmanager and Jaeger, of this start. */
  readonly monitoring: string;
  /** Of this start. */
  logFile(name: string): string;
}

/**
 * Makes the folder where there is none. Logs and stores in it are dropped without asking: so one that holds anything must
 * be known for ours.
 * @returns its real path
 * @throws Error for a folder that holds somebody else's files
 */
export function makeFolder(root: string, name: string): string {
  const path = resolve(root, name);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const found = readdirSync(path);
  if (found.length > 0 && !found.some((entry) => MARKS.includes(entry))) {
    throw new Error(`${path} is no folder of npm start, and not empty; SCBE_LOCAL_DIR names another folder`);
  }
  chmodSync(path, 0o700);
  writeFileSync(join(path, MARK), "Made by npm start, which drops and makes anew what is in here.\n", {
    mode: 0o600,
  });
  return realpathSync(path);
}

const MARK = ".scbe-local";
/** The key is what earlier versions have left. */
const MARKS: readonly string[] = [MARK, "kms.key"];

/** Opens a folder that is ours alone; logs, metrics and alerts of the start before are dropped. */
export function openFolder(path: string): LocalFolder {
  const inside = (name: string): string => {
    mkdirSync(join(path, name), { recursive: true, mode: 0o700 });
    return join(path, name);
  };
  for (const name of ["logs", "monitoring"]) rmSync(join(path, name), { recursive: true, force: true });
  const logs = inside("logs");
  return {
    credentials: inside("credentials"),
    kmsKeyFile: join(path, "kms.key"),
    tokens: inside("tokens"),
    natsStore: inside("nats"),
    redisStore: inside("redis"),
    monitoring: inside("monitoring"),
    logFile: (name) => join(logs, `${name}.log`),
  };
}

/** A ring is worth nothing without the key that wraps it: a new key begins with an empty store. */
export async function keepOrCreateKmsKey({ kmsKeyFile, natsStore }: LocalFolder): Promise<void> {
  if (existsSync(kmsKeyFile)) return;
  rmSync(natsStore, { recursive: true, force: true });
  mkdirSync(natsStore, { mode: 0o700 });
  await createKeyFile(kmsKeyFile);
}

/** The tokens of the control API; the variables that name their files. */
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
