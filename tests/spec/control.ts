import assert from "node:assert/strict";
import { createPrivateKey, sign } from "node:crypto";
import { type Identity, windowVariables } from "@scbe/bus";
import { ENVIRONMENTS, type Environment, jcs } from "@scbe/contracts";
import {
  type ControlDocument,
  type ControlExpectation,
  isInside,
  readControl,
  signControl,
} from "@scbe/envelope/control";
import { defineConfig, readConfig } from "@scbe/runtime";
import { ControlRules, HeldControl, LeaseTime, type StalePolicy, skewSeconds } from "@scbe/verifier";
import { readVectors, type SpecCase } from "./vectors.ts";

interface DocumentVector {
  readonly name: string;
  readonly env: string;
  readonly message?: string;
  readonly message_hex?: string;
  readonly ok: boolean;
  readonly reason?: string;
  readonly generation?: number;
  readonly digest?: string;
}

interface Sequence {
  readonly name: string;
  readonly stored_generation: number;
  readonly steps: readonly { readonly message: string; readonly outcome: string }[];
  readonly in_force: string | null;
}

interface SkewVector {
  readonly name: string;
  readonly document: string | null;
  readonly usual: number;
  readonly limit: number;
  readonly now: number;
  /** `null`: a configuration with these bounds is refused. */
  readonly allowed: number | null;
}

interface ControlFile extends Reader {
  readonly example: Readonly<
    Record<"payload" | "signed_bytes" | "signature" | "digest" | "message", string>
  > & {
    readonly state: object;
  };
  readonly documents: readonly DocumentVector[];
  readonly sequences: readonly Sequence[];
  readonly skew_windows: readonly SkewVector[];
}

const FILE = readVectors<ControlFile>("control");

/** Control documents, their order, skew windows, and which requests a share of the traffic takes in. */
export function cases(): SpecCase[] {
  const shares = readVectors<{ vectors: readonly ShareVector[] }>("shares").vectors;
  return [
    { file: "control", name: "example", run: readsExample },
    ...FILE.documents.map((it) => ({ file: "control", name: it.name, run: () => reads(it) })),
    ...FILE.sequences.map((it) => ({ file: "control", name: it.name, run: () => follows(it) })),
    ...FILE.skew_windows.map((it) => ({ file: "control", name: it.name, run: () => allows(it) })),
    ...shares.map((it) => ({ file: "shares", name: it.name, run: () => tryShare(it) })),
  ];
}

function readsExample(): void {
  const { state, payload, signature, digest, message } = FILE.example;
  const read = readControl(Buffer.from(message), expected(FILE));
  assert(read.ok);
  assert.deepEqual(read.document, { state, digest, signed: { v: 1, payload, signature } });
  assert.equal(jcs(state), payload);
  assert.deepEqual(signControl(read.document.state, controllerIdentity(FILE)), read.document);
}

function reads({ env, message, message_hex, ok, reason, generation, digest }: DocumentVector): void {
  const bytes = message_hex === undefined ? Buffer.from(message ?? "") : Buffer.from(message_hex, "hex");
  const read = readControl(bytes, expected({ ...FILE, env }));
  const seen = read.ok
    ? { ok: true, generation: read.document.state.generation, digest: read.document.digest }
    : read;
  assert.deepEqual(seen, ok ? { ok, generation, digest } : { ok, reason });
}

function follows({ stored_generation: generationMin, steps, in_force }: Sequence): void {
  const reader = new SpecReader(FILE, { generationMin });
  for (const { message, outcome } of steps) {
    const bytes = Buffer.from(message);
    const result = reader.held.offer(bytes, true);
    const read = readControl(bytes, reader.expectation);
    assert.equal(result === "refused" && !read.ok ? read.reason : result, outcome);
  }
  assert.equal(reader.document?.digest ?? null, in_force);
}

const WINDOW_CONFIG = defineConfig(windowVariables);

function allows({ document, usual, limit, now, allowed }: SkewVector): void {
  const reading = readConfig(WINDOW_CONFIG, {
    SCBE_MAX_CLOCK_SKEW_SECONDS: String(usual),
    SCBE_SKEW_LIMIT_SECONDS: String(limit),
  });
  if (!reading.ok) {
    assert.equal(allowed, null);
    return;
  }
  const { SCBE_MAX_CLOCK_SKEW_SECONDS: usualSeconds, SCBE_SKEW_LIMIT_SECONDS: limitSeconds } = reading.config;
  const reader = SpecReader.having(FILE, { document, lease: "standing", policy: "hold" });
  assert.equal(skewSeconds(reader.document, { usualSeconds, limitSeconds }, now), allowed);
}

export type LeaseOf = "none" | "standing" | "over";

/** The environment and the keys at the top of a file. */
export interface Reader {
  readonly env: string;
  readonly public_key: string;
  readonly private_key: string;
}

export function expected({ env, public_key: publicKey }: Reader): ControlExpectation {
  assert(isEnvironment(env));
  return { env, publicKey };
}

/** Signs like the controller of a file. */
export function controllerIdentity({ private_key, public_key: publicKey }: Reader): Identity {
  const pkcs8 = Buffer.from(`302e020100300506032b657004220420${private_key}`, "hex");
  const key = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  return { publicKey, sign: (bytes) => sign(null, bytes, key) };
}

function isEnvironment(env: string): env is Environment {
  return (ENVIRONMENTS as readonly string[]).includes(env);
}

/** The deciding parts of a verifier, with a clock that a test sets. */
export class SpecReader {
  nowMs = 0;
  /** The last applied document. */
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

  /** A reader that holds a document of the vectors, with a lease in the given state. */
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

interface ShareVector {
  readonly name: string;
  readonly provider: string;
  readonly request_id: string;
  readonly percentage: number;
  readonly inside: boolean;
}

function tryShare({ provider, request_id, percentage, inside }: ShareVector): void {
  assert.equal(isInside(provider, request_id, percentage), inside);
}
