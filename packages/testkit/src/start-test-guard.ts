import { connectBus, connectStore, streamEndpoint } from "@scbe/bus";
import { type NonceReuseEvent, QUEUES, STREAMS, servedAs, subjectOf, writeMessage } from "@scbe/contracts";
import { createLogger } from "@scbe/service";
import type { SecuredNats } from "./start-secured-nats.ts";

/** A replay guard's reports of nonce reuse: it broadcasts and stores them, and answers requests for the stored ones. */
export interface TestGuard extends AsyncDisposable {
  /** Reports a reuse. Resolves when the report is stored. */
  report(provider: string, change?: Partial<NonceReuseEvent>): Promise<NonceReuseEvent>;
  /** Stores any bytes as a report, without a broadcast. */
  store(provider: string, data: Uint8Array, id: string): Promise<void>;
  /** The sequence number of the last stored report. */
  last(): Promise<number>;
  /** Stops answering requests for stored reports, until {@link join}. */
  leave(): Promise<void>;
  join(): Promise<void>;
}

/** Starts with a replay guard's credentials. */
export async function startTestGuard(nats: SecuredNats): Promise<TestGuard> {
  await using stack = new AsyncDisposableStack();
  const log = createLogger({ name: "test-guard", level: "silent" });
  const name = "replay-guard";
  const bus = stack.use(await connectBus({ ...nats.transport(name), name, log }));
  const store = stack.use(await connectStore({ ...nats.storeTransport("replay"), log }));
  const stream = store.stream(STREAMS.security);
  const service = stack.use(
    bus.service({
      ...{ name, version: "0.0.0", description: "a test guard", queue: QUEUES.replayGuard },
      endpoints: [{ name: "security-read", ...servedAs("securityRead"), ...streamEndpoint(stream) }],
    }),
  );
  await service.join();
  const put = async (provider: string, data: Uint8Array, id: string): Promise<void> => {
    await store.publishAcknowledged(subjectOf("nonceReuse", { provider }), data, { id, timeoutMs: 5000 });
  };
  let counter = 0;
  const held = stack.move();
  return {
    report: async (provider, change = {}) => {
      counter += 1;
      const event: NonceReuseEvent = {
        ...{ v: 1, id: `event-${counter}`, env: "dev", provider, session: "c2Vzc2lvbg", counter },
        seen_at: Date.now(),
        ...change,
      };
      const data = writeMessage(event);
      await put(provider, data, event.id);
      bus.publish(subjectOf("nonceReuse", { provider }), data);
      await bus.flush();
      return event;
    },
    store: put,
    last: async () => (await stream.bounds()).last,
    leave: () => service.leave(),
    join: () => service.join(),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
