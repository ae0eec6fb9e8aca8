import {
  type ProviderTrust,
  startingEvidence,
  type TellerTrust,
  type TrustDocument,
  tellerIn,
  trustIn,
  trustShare,
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
