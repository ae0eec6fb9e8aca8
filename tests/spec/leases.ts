import assert from "node:assert/strict";
import type { EndpointRequest } from "@scbe/bus";
import { isScbeError } from "@scbe/contracts";
import { type ControlDocument, readControl, readLease, supersedes } from "@scbe/envelope/control";
import { controllerEndpoints } from "@scbe/rollback-controller/endpoints";
import { createLogger } from "@scbe/service";
import { type StalePolicy, takeLease } from "@scbe/verifier";
import { controllerIdentity, expected, type Reader, SpecReader } from "./control.ts";
import { readVectors, type SpecCase } from "./vectors.ts";

interface RequestVector {
  readonly name: string;
  readonly controller: {
    readonly leads: boolean;
    readonly listed: boolean;
    readonly may_hand_back: boolean;
    readonly document: string | null;
  };
  readonly message: string;
  readonly answer?: string;
  readonly error?: string;
}

interface Answer {
  readonly name: string;
  readonly nonce: string;
  readonly held: string | null;
  readonly message: string;
  readonly outcome: string;
  readonly holds: string | null;
}

interface Timeline {
  readonly name: string;
  readonly lease_ms: number;
  readonly policy: StalePolicy;
  readonly provider: string;
  readonly request_id: string;
  readonly events: readonly TimelineEvent[];
}

interface TimelineEvent {
  readonly at: number;
  /** A document that arrives. */
  readonly document?: string;
  /** The nonce of a request that is sent. */
  readonly asks?: string;
  /** The nonce of the request that `message` answers. */
  readonly answers?: string;
  readonly message?: string;
  readonly outcome?: string;
  readonly expect?: Seen;
}

/** A reader's state: its lease, its route for the request id, and whether it opens a response. */
interface Seen {
  readonly stale: boolean;
  readonly route: string;
  readonly why?: string;
  readonly response: boolean;
}

interface LeaseFile extends Reader {
  readonly example: Readonly<Record<"question" | "payload" | "answer", string>>;
  readonly questions: readonly RequestVector[];
  readonly answers: readonly Answer[];
  readonly timelines: readonly Timeline[];
}

const FILE = readVectors<LeaseFile>("leases");
const EXPECTED = expected(FILE);

export function cases(): SpecCase[] {
  return [
    { file: "leases", name: "example", run: readsExample },
    ...FILE.questions.map((it) => ({ file: "leases", name: `question: ${it.name}`, run: () => answers(it) })),
    ...FILE.answers.map((it) => ({ file: "leases", name: `answer: ${it.name}`, run: () => takes(it) })),
    ...FILE.timelines.map((it) => ({ file: "leases", name: `in time: ${it.name}`, run: () => passes(it) })),
  ];
}

function readsExample(): void {
  const { question, payload, answer } = FILE.example;
  const { nonce } = JSON.parse(question);
  const read = readLease(Buffer.from(answer), nonce, EXPECTED);
  assert(read.ok);
  assert.equal(read.answer.payload, payload);
}

function documentIn(message: string): ControlDocument {
  const read = readControl(Buffer.from(message), EXPECTED);
  assert(read.ok);
  return read.document;
}

function answers({ controller, message, answer, error }: RequestVector): void {
  const { leads, listed, may_hand_back, document } = controller;
  let current = document === null ? undefined : documentIn(document);
  const plane = {
    get current() {
      return current;
    },
    offer: (next: ControlDocument) => {
      if (!supersedes(next, current)) return false;
      current = next;
      return true;
    },
  };
  const { endpoints } = controllerEndpoints({
    plane,
    leadership: { leading: leads },
    verifiers: { note: () => true },
    handBacks: { admit: () => may_hand_back, announce: () => true, delivered: () => undefined },
    isLeaseUser: () => listed,
    userRate: { burst: 1, perSecond: 1 },
    identity: controllerIdentity(FILE),
    env: EXPECTED.env,
    clock: { now: () => 0, monotonic: () => 0 },
    log: createLogger({ name: "spec", level: "silent" }),
    metrics: { answered: () => undefined },
    onAhead: () => undefined,
    version: "1.0.0",
  });
  const request = { user: "gateway-openai", data: Buffer.from(message) } as Partial<EndpointRequest>;
  assert.deepEqual(
    outcomeOf(() => endpoints[0]?.handler(request as EndpointRequest)),
    { answer, error },
  );
}

function outcomeOf(handle: () => unknown): { answer: string | undefined; error: string | undefined } {
  try {
    const { data } = handle() as { readonly data: Uint8Array };
    return { answer: Buffer.from(data).toString("utf8"), error: undefined };
  } catch (error) {
    assert(isScbeError(error));
    return { answer: undefined, error: error.code };
  }
}

function takes({ nonce, held, message, outcome, holds }: Answer): void {
  const reader = SpecReader.having(FILE, { document: held, lease: "none", policy: "hold" });
  assert.equal(take(reader, { nonce, askedAt: 0 }, message), outcome);
  assert.equal(reader.document?.digest ?? null, holds);
  assert.equal(reader.lease.isStale, outcome !== "granted");
}

function take(reader: SpecReader, asked: Parameters<typeof takeLease>[1], message: string): string {
  return takeLease(Buffer.from(message), asked, {
    ...reader.expectation,
    lease: reader.lease,
    held: () => reader.document,
    offer: (bytes) => void reader.held.offer(bytes, true),
  });
}

function passes({ lease_ms: leaseMs, policy, provider, request_id, events }: Timeline): void {
  const reader = new SpecReader(FILE, { leaseMs, policy });
  const askedAt = new Map<string, number>();
  for (const { at, document, asks, answers: nonce, message = "", outcome, expect } of events) {
    reader.nowMs = at;
    if (document !== undefined) assert.equal(reader.held.offer(Buffer.from(document), false), "applied");
    // A repeated request keeps its time, as in the bus's own repetition.
    if (asks !== undefined && !askedAt.has(asks)) askedAt.set(asks, at);
    if (nonce !== undefined)
      assert.equal(take(reader, { nonce, askedAt: askedAt.get(nonce) ?? 0 }, message), outcome);
    if (expect !== undefined) assert.deepEqual(seen(reader, provider, request_id), expect, `at ${at}`);
  }
}

function seen({ rules, lease }: SpecReader, provider: string, requestId: string): Seen {
  const route = rules.route(provider, requestId);
  return {
    stale: lease.isStale,
    route: route.way,
    ...("why" in route && { why: route.why }),
    response: rules.permits("response", provider, requestId),
  };
}
