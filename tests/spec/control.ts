import assert from "node:assert/strict";
import { windowVariables } from "@scbe/bus";
import { jcs } from "@scbe/contracts";
import { readControl, signControl } from "@scbe/envelope/control";
import { defineConfig, readConfig } from "@scbe/runtime";
import { skewSeconds } from "@scbe/verifier";
import { controllerIdentity, expected, type Reader, SpecReader } from "./control-state.ts";
import { readVectors } from "./read-vectors.ts";
import type { SpecCase } from "./spec-case.ts";

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

export function cases(): SpecCase[] {
  return [
    { file: "control", name: "example", run: readsExample },
    ...FILE.documents.map((it) => ({ file: "control", name: it.name, run: () => reads(it) })),
    ...FILE.sequences.map((it) => ({ file: "control", name: it.name, run: () => follows(it) })),
    ...FILE.skew_windows.map((it) => ({ file: "control", name: it.name, run: () => allows(it) })),
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
