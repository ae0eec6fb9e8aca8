import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { connectNats, type Transport, toScbeError } from "@scbe/bus";
import { CLAIMS_UPDATE, PUSH_USER, ScbeError } from "@scbe/contracts";
import type { Logger } from "@scbe/runtime";
import { type NatsConnection, RequestStrategy } from "nats";
import { z } from "zod";
import { keepOrCreateSeed } from "./files.ts";
import { encodeJwt, readJwt } from "./jwt.ts";

export interface PushOptions {
  /** To the servers, as the system account's user. */
  readonly transport: Transport;
  /** The accounts' JWTs; the names are for messages. */
  readonly accounts: readonly { readonly name: string; readonly jwt: string }[];
  readonly log: Logger;
  readonly signal?: AbortSignal;
  /** How long to wait for the first answer of a server; default 5,000. */
  readonly timeoutMs?: number;
  /** The setting for the authority of the servers' certificates, as messages name it; default `NATS_TLS_CA`. */
  readonly authoritySetting?: string;
}

/** An account, and the servers that have accepted it. */
export interface PushedAccount {
  readonly name: string;
  readonly servers: readonly string[];
}

const SERVERS_MAX = 128;
/** Servers of one cluster answer within that time of each other. */
const LAST_ANSWER_MS = 300;

/**
 * Sends the accounts to the servers of a cluster, which apply them at once: the connections of revoked users end.
 * @throws ScbeError TIMEOUT, ABORTED, FORBIDDEN; NOT_READY if no server answers; BAD_REQUEST if one refuses
 */
export async function pushAccounts(options: PushOptions): Promise<readonly PushedAccount[]> {
  const { transport, log, timeoutMs = 5000, signal, authoritySetting } = options;
  const link = {
    ...{ ...transport, ...PUSH_USER, log, timeoutMs: 2 * timeoutMs },
    ...(signal && { signal }),
    ...(authoritySetting !== undefined && { authoritySetting }),
  };
  const { connection } = await connectNats(link);
  try {
    return await Promise.all(options.accounts.map((account) => pushOne(connection, account, timeoutMs)));
  } catch (error) {
    throw toScbeError(error, "push accounts");
  } finally {
    await connection.close();
  }
}

async function pushOne(
  connection: NatsConnection,
  { name, jwt }: { readonly name: string; readonly jwt: string },
  timeoutMs: number,
): Promise<PushedAccount> {
  const answers = await connection.requestMany(CLAIMS_UPDATE, jwt, {
    strategy: RequestStrategy.JitterTimer,
    maxWait: timeoutMs,
    jitter: LAST_ANSWER_MS,
    maxMessages: SERVERS_MAX,
  });
  const servers: string[] = [];
  for await (const answer of answers) servers.push(serverIn(name, answer.data));
  if (servers.length === 0) throw new ScbeError("NOT_READY", `no server has accepted the account ${name}`);
  return { name, servers };
}

const Answer = z.object({
  server: z.object({ name: z.string() }),
  data: z.object({ code: z.number() }).optional(),
  error: z.object({ description: z.string() }).optional(),
});

/** The name of the server that has accepted it. @throws ScbeError BAD_REQUEST with the reason of a refusal */
function serverIn(name: string, data: Uint8Array): string {
  const parsed = Answer.safeParse(JSON.parse(new TextDecoder().decode(data)));
  const code = parsed.data?.data?.code;
  if (code === 200 && parsed.data !== undefined) return parsed.data.server.name;
  const why = parsed.data?.error?.description ?? "its answer is of an unknown kind";
  throw new ScbeError("BAD_REQUEST", `a server refuses the account ${name}: ${why}`);
}

/** The credentials file of the user that pushes accounts to servers. */
export function pushCredsIn(folder: string): string {
  return join(folder, "keys", `${PUSH_USER.name}.creds`);
}

/**
 * The accounts' JWTs for {@link pushAccounts}, signed again. A server that finds the same JWT in its folder ignores the push, even if it has only read
 * the file at a reload and never applied it.
 * @throws ScbeError BAD_REQUEST for a folder without JWTs
 */
export function accountsToPush(dir: string): { name: string; jwt: string }[] {
  const folder = resolve(dir);
  const [resolverDir, operatorFile] = [resolverIn(folder), operatorSeedIn(folder)];
  if (!existsSync(resolverDir) || !existsSync(operatorFile))
    throw new ScbeError("BAD_REQUEST", `${folder} holds no accounts as JWTs`);
  const operator = keepOrCreateSeed(operatorFile, "operator");
  const now = Math.floor(Date.now() / 1000);
  const files = readdirSync(resolverDir).filter((name) => name.endsWith(".jwt"));
  return files.map((file) => {
    const former = readJwt(readFileSync(join(resolverDir, file), "utf8"));
    if (former?.iss !== operator.publicKey)
      throw new ScbeError(
        "BAD_REQUEST",
        `${join(resolverDir, file)} is not an account of this folder's operator`,
      );
    const { name, sub, nats } = former;
    return { name, jwt: encodeJwt({ name, sub, nats }, operator, Math.max(now, former.iat + 1)) };
  });
}

/** Holds the operator's private key. */
export function operatorSeedIn(folder: string): string {
  return join(folder, "keys", "operator.seed");
}

/** The folder from which nats-server reads the accounts. */
export function resolverIn(folder: string): string {
  return join(folder, "resolver");
}
