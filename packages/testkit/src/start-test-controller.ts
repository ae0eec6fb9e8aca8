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
import { createLogger } from "@scbe/service";
import { createUser } from "nkeys.js";

export interface TestControllerOptions {
  /** Where NATS is, and who to be there. */
  readonly transport: Transport;
  /** Its first document, beside that nothing is off. */
  readonly state?: Partial<ControlState>;
  /** Keeps each document, and tells it to those who ask for it; false unless told. */
  readonly stores?: boolean;
}

/** The other side of kill switch, flags and leases: a real signer on a real bus that does what a test says. */
export interface TestController extends AsyncDisposable {
  readonly identity: Identity;
  /** For SCBE_CONTROL_PUBLIC_KEY. */
  readonly publicKey: string;
  readonly bus: Bus;
  /** What is in force. */
  document: ControlDocument;
  /** Questions for leases, and the answers that were sent, in order. */
  readonly asked: readonly LeaseRequest[];
  readonly answered: readonly Uint8Array[];
  /** True: no question for a lease is answered; what is stored is still told. */
  silent: boolean;
  /** What is sent in place of an answer; `undefined`: nothing. */
  tamper: ((answer: LeaseAnswer, question: LeaseRequest) => Uint8Array | undefined) | undefined;
  /** Puts the next document in force; sent, and stored where it stores. Resolves when the server has it. */
  change(change: Partial<ControlState>): Promise<ControlDocument>;
  /** {@link change}: kills everything, or one provider. */
  kill(kill?: Partial<Kill> & { readonly provider?: string }): Promise<ControlDocument>;
  /** {@link change}: nothing is killed any more. */
  release(): Promise<ControlDocument>;
  /** Signs, and neither sends nor stores. */
  sign(change: Partial<ControlState>, identity?: Identity): ControlDocument;
  /** Sends any bytes as a broadcast. */
  broadcast(bytes: Uint8Array): Promise<void>;
  /** Stores any bytes as the document. */
  store(bytes: Uint8Array): void;
}

/** Starts one, with a key of its own. */
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

const KILL: Kill = { cause: "integrity", reason: "a test", by: "test", since: 1 };

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
    const onQuestion = ({ data, reply }: { data: Uint8Array; reply: string | undefined }): void =>
      this.#answer(LeaseRequest.parse(JSON.parse(Buffer.from(data).toString("utf8"))), reply);
    this.bus.subscribe(patternOf("controlLease"), onQuestion, { queue: QUEUES.controller });
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

  #answer(question: LeaseRequest, reply: string | undefined): void {
    this.asked.push(question);
    if (this.silent || reply === undefined) return;
    const honest = answerLease(question, this.document, this.identity);
    const bytes = this.tamper ? this.tamper(honest, question) : writeMessage(honest);
    if (bytes === undefined) return;
    this.answered.push(bytes);
    this.bus.publish(reply, bytes);
  }
}
