import assert from "node:assert/strict";
import { createPrivateKey, sign } from "node:crypto";
import type { Identity } from "@scbe/bus";
import { ENVIRONMENTS, type Environment } from "@scbe/contracts";
import type { ControlDocument, ControlExpectation } from "@scbe/envelope/control";
import { ControlRules, HeldControl, LeaseTime, type StalePolicy } from "@scbe/verifier";

export type LeaseOf = "none" | "standing" | "over";

/** What stands at the top of a file: whose reader it is. */
export interface Reader {
  readonly env: string;
  readonly public_key: string;
  readonly private_key: string;
}

export function expected({ env, public_key: publicKey }: Reader): ControlExpectation {
  assert(isEnvironment(env));
  return { env, publicKey };
}

/** Signs as the controller of a file does. */
export function controllerIdentity({ private_key, public_key: publicKey }: Reader): Identity {
  const pkcs8 = Buffer.from(`302e020100300506032b657004220420${private_key}`, "hex");
  const key = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  return { publicKey, sign: (bytes) => sign(null, bytes, key) };
}

function isEnvironment(env: string): env is Environment {
  return (ENVIRONMENTS as readonly string[]).includes(env);
}

/** The parts of a verifier that decide, by a clock that is set by hand. */
export class SpecReader {
  nowMs = 0;
  /** As it was told of. */
  document: ControlDocument | undefined;
  readonly held: HeldControl;
  readonly lease: LeaseTime;
  readonly rules: ControlRules;
  readonly expectation: ControlExpectation;

  constructor(reader: Reader, { leaseMs = 5000, policy = "hold" as StalePolicy, generationMin = 0 } = {}) {
    const clock = { now: () => 0, monotonic: () => this.nowMs };
    this.expectation = expected(reader);
    const held = new HeldControl({
      ...this.expectation,
      clock,
      generationMin,
      onApplied: (it) => {
        this.document = it;
      },
    });
    const lease = new LeaseTime({ clock, leaseMs });
    this.held = held;
    this.lease = lease;
    this.rules = new ControlRules({
      policy,
      get document() {
        return held.document;
      },
      get wasGranted() {
        return lease.wasGranted;
      },
      get isStale() {
        return lease.isStale;
      },
    });
  }

  /** Holds a document of the vectors, and has such a lease. */
  static having(
    reader: Reader,
    { document, lease, policy }: { document: string | null; lease: LeaseOf; policy: StalePolicy },
  ): SpecReader {
    const it = new SpecReader(reader, { policy });
    if (document !== null) assert.equal(it.held.offer(Buffer.from(document), true), "applied");
    if (lease !== "none") it.lease.grant(0);
    if (lease === "over") it.nowMs = 5000;
    return it;
  }
}
