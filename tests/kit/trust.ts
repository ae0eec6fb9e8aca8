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

/** What readers of trust hold. */
export interface TrustWatch extends AsyncDisposable {
  readonly document: TrustDocument | undefined;
  of(provider: string): ProviderTrust;
  /** What one teller's reports come to. */
  row(provider: string, teller?: string): TellerTrust;
  /** Percent of its traffic that a provider gets at `at`, ms since the Unix epoch; now unless told. */
  share(provider: string, at?: number): number;
  /** Resolves with what is known of a provider once `check` holds for it. */
  until(provider: string, check: (trust: ProviderTrust) => boolean): Promise<ProviderTrust>;
}

/** Follows the trust document of a system as an orchestrator does. */
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
        throw new Error(`${provider} stands at ${JSON.stringify(trust)}`);
      }, SOON),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

const SOON = { timeoutMs: 20_000 };

/** What one teller's reports of a provider come to. */
export function tellerRow(trust: ProviderTrust, teller = "orchestrator"): TellerTrust {
  const none = { w: startingEvidence(trust), samples: 0, exclusions: 0, exclusion: null, latch: null, at: 0 };
  return tellerIn(trust, teller) ?? none;
}

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
