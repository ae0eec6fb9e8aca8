import type { Transport } from "@scbe/bus";
import { connectNats, toScbeError } from "@scbe/bus";
import { CLAIMS_UPDATE, isScbeError, PUSH_USER, ScbeError } from "@scbe/contracts";
import type { Logger } from "@scbe/runtime";
import { type NatsConnection, RequestStrategy } from "nats";
import { z } from "zod";

export interface PushOptions {
  /** How to reach the servers, as the system account's user. */
  readonly transport: Transport;
  /** The accounts' JWTs, each with its name for what is told. */
  readonly accounts: readonly { readonly name: string; readonly jwt: string }[];
  readonly log: Logger;
  readonly signal?: AbortSignal;
  /** How long to wait for the first answer of a server; default 5,000. */
  readonly timeoutMs?: number;
  /** How the authority of the servers' certificates is set, for what is told; default `NATS_TLS_CA`. */
  readonly authoritySetting?: string;
}

/** An account that servers have taken. */
export interface PushedAccount {
  readonly name: string;
  readonly servers: readonly string[];
}

const SERVERS_MAX = 128;
/** Servers of one cluster answer within that time of each other. */
const LAST_ANSWER_MS = 300;

/**
 * Tells the servers of a cluster what accounts say now. From then on it is in force: connections of users that an account revokes end at once.
 * @throws ScbeError TIMEOUT, ABORTED, FORBIDDEN; NOT_READY when no server answers; BAD_REQUEST when one refuses
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
    throw isScbeError(error) ? error : toScbeError(error, "push accounts");
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
  if (servers.length === 0) throw new ScbeError("NOT_READY", `no server has taken the account ${name}`);
  return { name, servers };
}

const Answer = z.object({
  server: z.object({ name: z.string() }),
  data: z.object({ code: z.number() }).optional(),
  error: z.object({ description: z.string() }).optional(),
});

/** The name of the server that has taken it. @throws ScbeError BAD_REQUEST with why it has not */
function serverIn(name: string, data: Uint8Array): string {
  const parsed = Answer.safeParse(JSON.parse(new TextDecoder().decode(data)));
  const code = parsed.data?.data?.code;
  if (code === 200 && parsed.data !== undefined) return parsed.data.server.name;
  const why = parsed.data?.error?.description ?? "no answer of a kind that is known";
  throw new ScbeError("BAD_REQUEST", `a server refuses the account ${name}: ${why}`);
}
