import { randomUUID } from "node:crypto";
import { type ReportedEvent, subjectOf, writeMessage } from "@scbe/contracts";
import { createTestHost } from "@scbe/testkit";
import type { System } from "./system.ts";

/** Tells the trust scorer what a client would, though nothing has happened. */
export interface TrustTeller extends AsyncDisposable {
  /** So many requests to that provider have failed, one after the other: six exclude it. */
  failures(provider: string, count: number): Promise<void>;
  /** So many have succeeded, in one event. */
  successes(provider: string, count: number): Promise<void>;
  /** What only a holder of the provider's keys can cause. */
  integrity(provider: string): Promise<void>;
}

/** With the rights of an orchestrator. */
export async function trustTeller(system: System, name = "orchestrator"): Promise<TrustTeller> {
  const host = await createTestHost({ transport: system.transport(name), name });
  const common = (provider: string) => ({ v: 1, provider, id: randomUUID(), at: Date.now() }) as const;
  const send = async (event: ReportedEvent): Promise<void> => {
    const telling = writeMessage({ v: 1, events: [event] });
    await host.bus.request(
      subjectOf("trustTell", { user: host.bus.user, provider: event.provider }),
      telling,
      { timeoutMs: 10_000 },
    );
  };
  return {
    failures: async (provider, count) => {
      for (let sent = 0; sent < count; sent += 1) {
        await send({ ...common(provider), kind: "outcome", result: "timeout", count: 1, latency_ms: 1000 });
      }
    },
    successes: (provider, count) =>
      send({ ...common(provider), kind: "outcome", result: "ok", count, latency_ms: 1 }),
    integrity: (provider) => send({ ...common(provider), kind: "integrity", cause: "bound_response_fails" }),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}
