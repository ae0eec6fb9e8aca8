import type { MetricsRegistry } from "@scbe/runtime";
import type { NatsConnection } from "nats";
import type { Bus } from "../bus.ts";
import type { StoreBus } from "../store-bus.ts";
import type { StoreTransport } from "../transport.ts";
import { connectNats, type LinkOptions, linkOfStore } from "./connect-nats.ts";
import { NatsBus, type NatsBusOptions } from "./nats-bus.ts";
import { NatsStoreBus } from "./nats-store-bus.ts";

export interface ConnectOptions extends LinkOptions {
  /** How long a service may take to answer what is in flight when it is disposed of; default 5,000. */
  readonly drainTimeoutMs?: number;
  /** Where the endpoints of its services are shown; nowhere unless told. */
  readonly metrics?: MetricsRegistry;
  /** The server refused a subscription: this process cannot do its work until its permissions are right. */
  readonly onSubscriptionRefused?: (subject: string) => void;
}

export interface StoreConnectOptions
  extends StoreTransport,
    Pick<LinkOptions, "log" | "signal" | "timeoutMs" | "onLinkRefused"> {}

/**
 * Connects to NATS and stays connected for as long as the bus lives, however often the link breaks.
 * @throws ScbeError TIMEOUT, ABORTED; FORBIDDEN when the server refuses this user, or offers no TLS where it is demanded
 */
export async function connectBus(options: ConnectOptions): Promise<Bus> {
  return new NatsBus(...(await openLink(options)));
}

/**
 * Connects a service to the account of its store.
 * @throws ScbeError as {@link connectBus} does
 */
export async function connectStore(options: StoreConnectOptions): Promise<StoreBus> {
  return new NatsStoreBus(...(await openLink({ ...options, ...linkOfStore(options) })));
}

async function openLink(options: ConnectOptions): Promise<[NatsConnection, NatsBusOptions]> {
  const { connection, identity, inboxPrefix, reconnecting, isEncrypted } = await connectNats(options);
  const busOptions: NatsBusOptions = {
    user: options.name,
    identity: identity?.publicKey,
    inboxPrefix,
    log: options.log,
    drainTimeoutMs: options.drainTimeoutMs ?? 5000,
    metrics: options.metrics,
    reconnecting,
    isEncrypted,
    ...(options.onSubscriptionRefused && { onSubscriptionRefused: options.onSubscriptionRefused }),
  };
  return [connection, busOptions];
}
