import { randomBytes } from "node:crypto";
import { connectBus } from "@scbe/bus";
import { type LeaseRequest, SUBJECTS, subjectOf, writeMessage } from "@scbe/contracts";
import { type ControlDocument, readControl, readLease, supersedes } from "@scbe/envelope/control";
import { collectLogs, eventually, type SecuredNats } from "@scbe/testkit";
import { LONG } from "./core-controller.ts";

const ASK_MS = 1000;

/** A verifier: it takes broadcast documents, and requests leases when a test says so. */
export async function connectVerifier(nats: SecuredNats, name = "gateway-openai", askMs = ASK_MS) {
  const bus = await connectBus({ ...nats.transport(name), name, log: collectLogs().log });
  const expected = { env: "dev", publicKey: nats.credentials.controlPublicKey } as const;
  const taken: ControlDocument[] = [];
  const verifier = crypto.randomUUID();
  const take = (bytes: Uint8Array): void => {
    const read = readControl(bytes, expected);
    if (read.ok && supersedes(read.document, taken.at(-1))) taken.push(read.document);
  };
  bus.subscribe(SUBJECTS.controlState, ({ data }) => take(data));
  await bus.flush();

  /** Sends one lease request and returns the lease. Takes the document in the answer. */
  const ask = async (change: Partial<LeaseRequest> = {}) => {
    const nonce = randomBytes(16).toString("base64url");
    const held = idOf(taken.at(-1));
    const request: LeaseRequest = { v: 1, nonce, verifier, held, fallback: false, ...change };
    const data = writeMessage(request);
    const answer = await bus.request(subjectOf("controlLease", { user: bus.user }), data, {
      timeoutMs: askMs,
    });
    const read = readLease(answer.data, nonce, expected);
    if (!read.ok) throw new Error("the answer is no lease for this question");
    if (read.answer.state !== undefined) take(writeMessage(read.answer.state));
    return read.lease;
  };
  return {
    ...{ bus, ask, taken, name, verifier },
    get document() {
      return taken.at(-1);
    },
    /** Sends requests until one is answered. */
    lease: (change: Partial<LeaseRequest> = {}) => eventually(() => ask(change), LONG),
    isKilled: () => (taken.at(-1)?.state.kill_switch.all ?? null) !== null,
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
}

export type Verifier = Awaited<ReturnType<typeof connectVerifier>>;

/** The held document as a lease request names it. */
export function idOf(document: ControlDocument | undefined): LeaseRequest["held"] {
  return document === undefined ? null : { generation: document.state.generation, digest: document.digest };
}
