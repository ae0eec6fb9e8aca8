import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { isScbeError } from "@scbe/contracts";
import { type Header, Sealer, type SealerPorts, type Subkeys } from "@scbe/envelope";
import { heldKey, type VectorKey } from "./envelopes.ts";
import { hex, readVectors, type SpecCase, unhex } from "./vectors.ts";

type ToSeal = Pick<Header, "phase" | "provider" | "intent" | "model" | "request_id"> & {
  readonly in_reply_to?: string;
  readonly seq?: number;
  readonly final?: 0 | 1;
  readonly content_type?: string;
  readonly schema_hash?: string;
  readonly ttl?: number;
  readonly body: string;
};
interface Step {
  readonly now: number;
  readonly monotonic: number;
  readonly active: string;
  readonly epoch: string | null;
  readonly granted_again?: true;
  readonly seal: ToSeal;
  readonly session_random?: string;
  readonly replay_nonce?: string;
  /** Absent if the sealing is refused. */
  readonly envelope?: string;
  readonly reason?: string;
}
interface Sequence {
  readonly name: string;
  readonly window_seconds: number;
  readonly counter_limit: number;
  readonly byte_limit: number;
  readonly keys: readonly VectorKey[];
  readonly steps: readonly Step[];
}
interface Refused {
  readonly name: string;
  readonly window_seconds: number;
  readonly keys: readonly VectorKey[];
  readonly active: string;
  readonly epoch: string | null;
  readonly permitted: boolean;
  readonly now: number;
  readonly seal: ToSeal;
  readonly reason: string;
}

/** The vectors of sealings and refused sealings, on the product's sealer. */
export function cases(): SpecCase[] {
  const { sequences, refused } = readVectors<{ sequences: Sequence[]; refused: Refused[] }>("sealing");
  return [
    ...sequences.map((vector) => ({ file: "sealing", name: vector.name, run: () => trySequence(vector) })),
    ...refused.map((vector) => ({ file: "sealing", name: vector.name, run: () => tryRefused(vector) })),
  ];
}

/** The sealer's default byte budget, which no vector reaches. */
const BYTES = 64 * 2 ** 30;

function trySequence({ steps, keys, ...limits }: Sequence): void {
  const [first] = steps;
  assert(first);
  let step = first;
  let held = keys.map(heldKey);
  const random = randomOf(steps, () => step);
  const sealer = new Sealer(
    {
      ...portsOf(
        () => held,
        () => step,
      ),
      random,
    },
    {
      windowSeconds: limits.window_seconds,
      counterLimit: limits.counter_limit,
      ...(limits.byte_limit !== BYTES && { byteBudget: limits.byte_limit }),
    },
  );
  for (const [index, next] of steps.entries()) {
    step = next;
    if (step.granted_again) held = keys.map(heldKey);
    if (step.reason === undefined) {
      assert.equal(hex(sealed(sealer, step.seal)), step.envelope, `envelope ${index}`);
    } else assertRefused(sealer, step.seal, step.reason);
  }
}

function tryRefused({ keys, window_seconds, permitted, reason, ...step }: Refused): void {
  const held = keys.map(heldKey);
  const permits = (...facts: unknown[]): boolean => {
    const { phase, provider, request_id } = step.seal;
    assert.deepEqual(facts, [phase, provider, request_id]);
    return permitted;
  };
  const ports = portsOf(
    () => held,
    () => step,
  );
  const limits = { windowSeconds: window_seconds, counterLimit: 10 };
  assertRefused(new Sealer({ ...ports, permission: { permits } }, limits), step.seal, reason);
}

function assertRefused(sealer: Sealer, seal: ToSeal, reason: string): void {
  try {
    sealed(sealer, seal);
  } catch (error) {
    if (!isScbeError(error)) throw error;
    assert.equal(error.code, reason.toUpperCase());
    return;
  }
  assert.fail("the envelope was sealed");
}

type Situation = Pick<Step, "now" | "active"> & {
  readonly epoch: string | null;
  readonly monotonic?: number;
};

function portsOf(held: () => readonly Subkeys[], current: () => Situation): SealerPorts {
  const epochs = new Map<string, Uint8Array>();
  return {
    keys: {
      active: (provider, intent) =>
        held().find(
          (key) => key.kid === current().active && key.provider === provider && key.intent === intent,
        ),
    },
    epochs: {
      current: () => {
        const { epoch } = current();
        if (epoch === null) return undefined;
        const bytes = epochs.get(epoch) ?? unhex(epoch);
        epochs.set(epoch, bytes);
        return bytes;
      },
    },
    clock: { now: () => current().now, monotonic: () => current().monotonic ?? 0 },
  };
}

const SESSION_RANDOM_BYTES = 28;

/** The vector's random bytes: once those of each session, then the replay nonces of its envelopes. */
function randomOf(steps: readonly Step[], current: () => Step) {
  const drawn = new Set<string>();
  return {
    fill: (bytes: Uint8Array): void => {
      const { session_random } = current();
      if (session_random === undefined) return; // a session without an envelope
      if (bytes.length === SESSION_RANDOM_BYTES) {
        assert(!drawn.has(session_random), "a session starts although the last one is still valid");
        drawn.add(session_random);
        bytes.set(unhex(session_random));
        return;
      }
      const ofSession = steps.filter((step) => step.session_random === session_random);
      bytes.set(unhex(ofSession.map(({ replay_nonce }) => replay_nonce ?? "").join("")));
    },
  };
}

function sealed(sealer: Sealer, seal: ToSeal): Uint8Array {
  const { phase, provider, intent, model, request_id, in_reply_to, seq, final } = seal;
  const content = {
    body: unhex(seal.body),
    ...(seal.content_type !== undefined && { contentType: seal.content_type }),
    ...(seal.schema_hash !== undefined && { schemaHash: seal.schema_hash }),
    ...(seal.ttl !== undefined && { ttlSeconds: seal.ttl }),
  };
  if (phase === "request") {
    const request = sealer.sealRequest({ ...content, provider, intent, model, requestId: request_id });
    assert.equal(hex(request.hash), createHash("sha256").update(request.bytes).digest("hex"));
    return request.bytes;
  }
  const hash = Buffer.from(in_reply_to ?? "", "base64url");
  const stream = seq !== undefined && final !== undefined ? { stream: { seq, final } } : {};
  const request = { header: { provider, intent, model, request_id }, hash };
  return sealer.sealResponse({ ...content, ...stream, request }).bytes;
}
