import { type Bus, type BusMessage, ownerStream, type StoredMessage, type StreamBounds } from "@scbe/bus";
import {
  type Environment,
  NONCE_REUSE_BYTES_MAX,
  NonceReuseEvent,
  namesIn,
  readMessage,
  subjectOf,
} from "@scbe/contracts";

/** An event of the security stream, and where and when it was stored. */
export interface StoredReuse {
  readonly seq: number;
  /** ms since the epoch, by the server's clock */
  readonly at: number;
  /** `undefined`: what is stored there is no event. */
  readonly event: NonceReuseEvent | undefined;
}

/** Nonce reuses, as the guards report them: as they come, and as they are stored in the guards' account. */
export interface SecurityStream {
  bounds(): Promise<StreamBounds>;
  /** The next ones from number `from` up to `last`, in order and some at a time; empty: there are none. */
  batch(from: number, last: number): Promise<readonly StoredReuse[]>;
  /** Runs with every event that arrives; it may be lost, and then is stored all the same. */
  listen(listener: (event: NonceReuseEvent) => void): AsyncDisposable;
}

/** @param providers of the deployment; a guard reports for no other */
export function securityStream(bus: Bus, env: Environment, providers: readonly string[]): SecurityStream {
  const stream = ownerStream(bus, subjectOf("securityRead", { user: bus.user }));
  const read = (message: Pick<StoredMessage | BusMessage, "subject" | "data">) => readReuse(message, env);
  return {
    bounds: () => stream.bounds(),
    batch: async (from, last) =>
      (await stream.batch(from, last)).map((message) => ({
        ...{ seq: message.seq, at: message.at },
        event: read(message),
      })),
    listen: (listener) => {
      const stack = new AsyncDisposableStack();
      for (const provider of providers) {
        const subscription = bus.subscribe(subjectOf("nonceReuse", { provider }), (message) => {
          const event = read(message);
          if (event !== undefined) listener(event);
        });
        stack.use(subscription);
      }
      return stack;
    },
  };
}

/** The event, if it is one of this environment and of the provider that its subject names. */
function readReuse(
  { subject, data }: Pick<StoredMessage, "subject" | "data">,
  env: Environment,
): NonceReuseEvent | undefined {
  const event = readMessage(data, NonceReuseEvent, NONCE_REUSE_BYTES_MAX);
  return event?.env === env && event.provider === namesIn("nonceReuse", subject)?.provider
    ? event
    : undefined;
}
