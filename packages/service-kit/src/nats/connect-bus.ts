import type { Bus } from "../bus.ts";
import type { Registry } from "../metrics/registry.ts";
import { connectNats, type LinkOptions } from "./connect-nats.ts";
import { NatsBus } from "./nats-bus.ts";

export interface ConnectOptions extends LinkOptions {
  /** How long a service may take to answer what is in flight when it is disposed of; default 5,000. */
  readonly drainTimeoutMs?: number;
  /** Where the endpoints of its services are shown; nowhere unless told. */
  readonly metrics?: Registry;
  /** The server refused a subscription: this process cannot do its work until its permissions are right. */
  readonly onSubscriptionRefused?: (subject: string) => void;
}

/**
 * Connects to NATS and stays connected for as long as the bus lives, however often the link breaks.
 * @throws ScbeError TIMEOUT, ABORTED; FORBIDDEN when the server refuses this user, or offers no TLS where it is demanded
 */
export async function connectBus(options: ConnectOptions): Promise<Bus> {
  const { connection, identity, inboxPrefix, isAcceptable, isEncrypted } = await connectNats(options);
  return new NatsBus(connection, {
    identity: identity?.publicKey,
    inboxPrefix,
    log: options.log,
    drainTimeoutMs: options.drainTimeoutMs ?? 5000,
    metrics: options.metrics,
    isAcceptable,
    isEncrypted,
    ...(options.onSubscriptionRefused && { onSubscriptionRefused: options.onSubscriptionRefused }),
  });
}
