import { type Bus, connectBus, type Identity, type Transport } from "@scbe/bus";
import {
  type ControlState,
  type Kill,
  type LeaseAnswer,
  LeaseRequest,
  patternOf,
  QUEUES,
  SUBJECTS,
  writeMessage,
} from "@scbe/contracts";
import { answerLease, type ControlDocument, encodeControl, signControl } from "@scbe/envelope/control";
import type { Clock } from "@scbe/runtime";
import { createLogger } from "@scbe/service";
import { createUser } from "nkeys.js";

export interface TestControllerOptions {
  /** The servers and the credentials. */
  readonly transport: Transport;
  /** Changes to the first document, in which nothing is off. */
  readonly state?: Partial<ControlState>;
  /** Stores each document, and answers requests for it; default false. */
  readonly stores?: boolean;
}

/** A rollback controller that a test drives: it signs documents and answers lease requests on a real bus. */
export interface TestController extends AsyncDisposable {
  readonly identity: Identity;
  /** For SCBE_CONTROL_PUBLIC_KEY. */
  readonly publicKey: string;
  readonly bus: Bus;
  /** The document in force. */
  document: ControlDocument;
  /** Lease requests, and the replies that were sent, in order. */
  readonly asked: readonly LeaseRequest[];
  readonly answered: readonly Uint8Array[];
  /** True: lease requests get no reply. Requests for the stored document still do. */
  silent: boolean;
  /** Replaces each lease reply; `undefined` sends none. */
  tamper: ((answer: LeaseAnswer, request: LeaseRequest) => Uint8Array | undefined) | undefined;
  /** Puts the next document in force: broadcasts it, and stores it if this controller stores. Resolves when the server has it. */
  change(change: Partial<ControlState>): Promise<ControlDocument>;
  /** Kills everything, or one provider, by {@link change}. */
  kill(kill?: Partial<Kill> & { readonly provider?: string }): Promise<ControlDocument>;
  /** Releases all kills, by {@link change}. */
  release(): Promise<ControlDocument>;
  /** Signs a document without sending or storing it. */
  sign(change: Partial<ControlState>, identity?: Identity): ControlDocument;
  /** Broadcasts any bytes. */
  broadcast(bytes: Uint8Array): Promise<void>;
  /** Stores any bytes as the document. */
  store(bytes: Uint8Array): void;
}

/** Starts a controller with a key of its own. */
export async function startTestController(options: TestControllerOptions): Promise<TestController> {
  const { transport, state = {}, stores = false } = options;
  const log = createLogger({ name: "test-controller", level: "silent" });
  const bus = await connectBus({ ...transport, name: "rollback-controller", log });
  const controller = new BusController(bus, state, stores);
  await controller.start();
  return controller;
}

/** A signer with a key of its own. */
export function createIdentity(): Identity {
  const pair = createUser();
  return { publicKey: pair.getPublicKey(), sign: (bytes) => pair.sign(bytes) };
}

const NOTHING_OFF: ControlState = {
  v: 1,
  env: "dev",
  generation: 1,
  issued_at: 1,
  kill_switch: { all: null, providers: {} },
  scbe_envelope_verification: { enabled: true, providers: {} },
  fallback: { causes: [] },
  skew_window: null,
};

class BusController implements TestController {
  readonly identity = createIdentity();
  readonly bus: Bus;
  readonly asked: LeaseRequest[] = [];
  readonly answered: Uint8Array[] = [];
  silent = false;
  tamper: TestController["tamper"];
  document: ControlDocument;
  readonly #stores: boolean;
  #stored: Uint8Array | undefined;

  constructor(bus: Bus, state: Partial<ControlState>, stores: boolean) {
    this.bus = bus;
    this.#stores = stores;
    const now = Date.now();
    this.document = signControl({ ...NOTHING_OFF, generation: now, issued_at: now, ...state }, this.identity);
  }

  get publicKey(): string {
    return this.identity.publicKey;
  }

  async start(): Promise<void> {
    if (this.#stores) this.store(encodeControl(this.document));
    const onLeaseRequest = ({ data, reply }: { data: Uint8Array; reply: string | undefined }): void =>
      this.#answer(LeaseRequest.parse(JSON.parse(Buffer.from(data).toString("utf8"))), reply);
    this.bus.subscribe(patternOf("controlLease"), onLeaseRequest, { queue: QUEUES.controller });
    const onGet = ({ reply }: { reply: string | undefined }): void => {
      if (reply !== undefined && this.#stored !== undefined) this.bus.publish(reply, this.#stored);
    };
    this.bus.subscribe(patternOf("controlGet"), onGet, { queue: QUEUES.controller });
    await this.bus.flush();
  }

  sign(change: Partial<ControlState>, identity: Identity = this.identity): ControlDocument {
    const { state } = this.document;
    return signControl({ ...state, generation: state.generation + 1, ...change }, identity);
  }

  async change(change: Partial<ControlState>): Promise<ControlDocument> {
    this.document = this.sign(change);
    const bytes = encodeControl(this.document);
    await this.broadcast(bytes);
    if (this.#stores) this.store(bytes);
    return this.document;
  }

  kill({ provider, ...change }: Parameters<TestController["kill"]>[0] = {}): Promise<ControlDocument> {
    const kill: Kill = { ...KILL, ...change };
    const { all, providers } = this.document.state.kill_switch;
    const after =
      provider === undefined
        ? { all: kill, providers }
        : { all, providers: { ...providers, [provider]: kill } };
    return this.change({ kill_switch: after });
  }

  release(): Promise<ControlDocument> {
    return this.change({ kill_switch: { all: null, providers: {} } });
  }

  async broadcast(bytes: Uint8Array): Promise<void> {
    this.bus.publish(SUBJECTS.controlState, bytes);
    await this.bus.flush();
  }

  store(bytes: Uint8Array): void {
    this.#stored = bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bus[Symbol.asyncDispose]();
  }

  #answer(request: LeaseRequest, reply: string | undefined): void {
    this.asked.push(request);
    if (this.silent || reply === undefined) return;
    const honest = answerLease(request, this.document, this.identity);
    const bytes = this.tamper ? this.tamper(honest, request) : writeMessage(honest);
    if (bytes === undefined) return;
    this.answered.push(bytes);
    this.bus.publish(reply, bytes);
  }
}

export const controller = createIdentity();
export const stranger = createIdentity();
export const REQUEST_ID = "0189dcd5-1111-4222-8333-444455556666";
export const KILL: Kill = { cause: "integrity", reason: "a test", by: "test", since: 1 };

/** A document of generation 7, in which nothing is off. */
export function documentOf(
  change: Partial<ControlState> = {},
  identity: Identity = controller,
): ControlDocument {
  return signControl({ ...NOTHING_OFF, generation: 7, issued_at: 7, ...change }, identity);
}

export function bytesOf(change: Partial<ControlState> = {}, identity?: Identity): Uint8Array {
  return encodeControl(documentOf(change, identity));
}

export const killing = (all: Kill | null, providers: Record<string, Kill> = {}): Partial<ControlState> => ({
  kill_switch: { all, providers },
});

/** A clock that a test sets. */
export class StandingClock implements Clock {
  nowMs = 1_790_000_000_000;
  monotonicMs = 50_000;

  now(): number {
    return this.nowMs;
  }

  monotonic(): number {
    return this.monotonicMs;
  }
}
