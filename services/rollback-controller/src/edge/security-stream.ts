import { type Environment, NonceReuseEvent, providerOf, STREAMS, subjectFor } from "@scbe/contracts";
import type { Bus, BusMessage, StoredMessage, StreamBounds } from "@scbe/service-kit";

/** An event of the security stream, and where and when it was stored. */
export interface StoredReuse {
  readonly seq: number;
  /** ms since the epoch, by the server's clock */
  readonly at: number;
  /** `undefined`: what is stored there is no event. */
  readonly event: NonceReuseEvent | undefined;
}

/** Nonce reuses, as the guards report them: as they come, and as they are stored. */
export interface SecurityStream {
  bounds(): Promise<StreamBounds>;
  /** The first of that number or a later one. */
  next(seq: number): Promise<StoredReuse | undefined>;
  /** Runs with every event that arrives; it may be lost, and then is stored all the same. */
  listen(listener: (event: NonceReuseEvent) => void): AsyncDisposable;
}

/** @param providers of the deployment; nobody may report for another */
export function securityStream(bus: Bus, env: Environment, providers: readonly string[]): SecurityStream {
  const stream = bus.stream(STREAMS.security);
  const read = (message: Pick<StoredMessage | BusMessage, "subject" | "data">) => readReuse(message, env);
  return {
    bounds: () => stream.bounds(),
    next: async (seq) => {
      const message = await stream.next(seq);
      return message && { seq: message.seq, at: message.at, event: read(message) };
    },
    listen: (listener) => {
      const stack = new AsyncDisposableStack();
      for (const provider of providers) {
        const subscription = bus.subscribe(subjectFor("nonceReuse", provider), (message) => {
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
  try {
    const event = NonceReuseEvent.parse(JSON.parse(Buffer.from(data).toString("utf8")));
    return event.env === env && event.provider === providerOf("nonceReuse", subject) ? event : undefined;
  } catch {
    return undefined;
  }
}
