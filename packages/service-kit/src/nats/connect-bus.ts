import type { Bus } from "../bus.ts";
import type { Logger } from "../logger.ts";
import type { Transport } from "../transport.ts";

export interface ConnectOptions extends Transport {
  /** Names the connection, and its private inbox `_INBOX_<name>`. */
  readonly name: string;
  readonly log: Logger;
  /** Gives up connecting. */
  readonly signal?: AbortSignal;
  /** How long to try before giving up; default 30,000. */
  readonly timeoutMs?: number;
  /** How long disposing of the bus may take; default 5,000. */
  readonly drainTimeoutMs?: number;
}

/**
 * Connects to NATS and stays connected for as long as the bus lives, however often the link breaks.
 * @throws ScbeError TIMEOUT, ABORTED, FORBIDDEN (the server knows no such user)
 */
export async function connectBus(options: ConnectOptions): Promise<Bus> {
  throw new Error(`not written yet: ${options.name}`);
}
