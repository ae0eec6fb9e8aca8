import { randomUUID } from "node:crypto";
import {
  type ProviderTrust,
  type ReportedEvent,
  startingEvidence,
  subjectOf,
  type TellerTrust,
  type TrustDocument,
  tellerIn,
  trustIn,
  trustShare,
  writeMessage,
} from "@scbe/contracts";
import { createTestHost, eventually } from "@scbe/testkit";
import { TrustFollower } from "@scbe/verifier";
import type { System } from "./system.ts";

/** The trust document as readers hold it. */
export interface TrustWatch extends AsyncDisposable {
  readonly document: TrustDocument | undefined;
  of(provider: string): ProviderTrust;
  /** The row of one teller. */
  row(provider: string, teller?: string): TellerTrust;
  /** The share of a provider in percent at `at`, in ms since the Unix epoch; default now. */
  share(provider: string, at?: number): number;
  /** Waits until `check` accepts the trust in a provider. */
  until(provider: string, check: (trust: ProviderTrust) => boolean): Promise<ProviderTrust>;
}

/** Follows the trust document of a system as an orchestrator. */
export async function watchTrust(system: System): Promise<TrustWatch> {
  await using stack = new AsyncDisposableStack();
  const name = "orchestrator";
  const host = stack.use(await createTestHost({ transport: system.transport(name), name }));
  const follower = stack.use(new TrustFollower(host));
  await eventually(() => follower.isHeard, SOON);
  const held = stack.move();
  const of = (provider: string): ProviderTrust => trustIn(follower.document ?? { providers: {} }, provider);
  return {
    get document() {
      return follower.document;
    },
    of,
    row: (provider, teller) => tellerRow(of(provider), teller),
    share: (provider, at = Date.now()) => trustShare(of(provider), at),
    until: (provider, check) =>
      eventually(() => {
        const trust = of(provider);
        if (check(trust)) return trust;
        throw new Error(`${provider} has ${JSON.stringify(trust)}`);
      }, SOON),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

const SOON = { timeoutMs: 20_000 };

/** The row of one teller in the trust in a provider. */
export function tellerRow(trust: ProviderTrust, teller = "orchestrator"): TellerTrust {
  const none = { w: startingEvidence(trust), samples: 0, exclusions: 0, exclusion: null, latch: null, at: 0 };
  return tellerIn(trust, teller) ?? none;
}

/** Sends made-up reports of a client to the trust scorer. */
export interface TrustReporter extends AsyncDisposable {
  /** Reports failed requests, one after the other; six exclude the provider. */
  failures(provider: string, count: number): Promise<void>;
  /** Reports successful requests, in one event. */
  successes(provider: string, count: number): Promise<void>;
  /** Reports an integrity failure, which only a holder of the provider's keys can cause. */
  integrity(provider: string): Promise<void>;
}

/** Connects with the rights of an orchestrator. */
export async function trustReporter(system: System, name = "orchestrator"): Promise<TrustReporter> {
  const host = await createTestHost({ transport: system.transport(name), name });
  const common = (provider: string) => ({ v: 1, provider, id: randomUUID(), at: Date.now() }) as const;
  const send = async (event: ReportedEvent): Promise<void> => {
    const report = writeMessage({ v: 1, events: [event] });
    await host.bus.request(
      subjectOf("trustTell", { user: host.bus.user, provider: event.provider }),
      report,
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
