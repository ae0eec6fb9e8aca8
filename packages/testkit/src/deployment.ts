import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { type Bus, connectBus, loadIdentity, type Transport } from "@scbe/bus";
import { type Client, type ConnectOptions, connect } from "@scbe/client";
import {
  type AdmitVerdict,
  decodeAdmitBatch,
  type EpochRecord,
  encodeVerdicts,
  HeldPlace,
  patternOf,
  type Role,
  SUBJECTS,
  TrustDocument,
  writeMessage,
} from "@scbe/contracts";
import { issueCredentials } from "@scbe/credentials";
import { createTempDir, type NatsServer, startNats } from "@scbe/local-stack";
import { createLogger } from "@scbe/service";
import { FakeKeyring } from "./fake-keyring.ts";

/** A real nats-server with a fake keyring, guard and trust scorer. The clients are the product's own. */
export interface Deployment extends AsyncDisposable {
  readonly nats: NatsServer;
  readonly keyring: FakeKeyring;
  readonly guard: FakeGuard;
  readonly keyringPublicKey: string;
  /** A connection without credentials, for the test's own messages. */
  readonly bus: Bus;
  /** Another connection without credentials. */
  connect(name: string): Promise<Bus>;
  transport(name: string): Transport;
  /** Options for the product's `connect`, for a client of that name. */
  options(name: string): ConnectOptions;
  orchestrator(more?: Partial<ConnectOptions>): Promise<Client>;
  gateway(more?: Partial<ConnectOptions>): Promise<Client>;
}

const silent = createLogger({ name: "test", level: "silent" });

export async function startDeployment(variables: Readonly<Record<string, string>> = {}): Promise<Deployment> {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(createTempDir());
  const credentials = issueCredentials(dir.path, { env: "dev", providers: ["openai"] });
  const nats = stack.use(await startNats());
  const { keyringPublicKey } = credentials;
  const transport = (name: string): Transport => credentials.transport(name, [nats.url]);
  const connections = stack.use(new AsyncDisposableStack());
  const connectAs = async (name: string, role?: Role): Promise<Bus> =>
    connections.use(
      await connectBus({ servers: [nats.url], name, log: silent, ...(role !== undefined && { role }) }),
    );
  const identity = loadIdentity(transport("keyring"));
  if (identity === undefined) throw new Error("the keyring has no identity");
  const keyring = stack.use(new FakeKeyring(await connectAs("keyring"), identity));
  const guard = stack.use(new FakeGuard(await connectAs("replay-guard")));
  stack.use(new FakeScorer(await connectAs("trust-scorer")));
  const bus = await connectAs("test", "orchestrator");
  await bus.flush();
  const options = (name: string): ConnectOptions => ({
    name,
    transport: transport(name),
    keyringPublicKey,
    providers: ["openai"],
    log: silent,
    variables,
    timeoutMs: 10_000,
  });
  const ready = async (settings: ConnectOptions): Promise<Client> => {
    const requests = keyring.asked.length;
    const client = connect(settings);
    client.catch(() => undefined);
    while (keyring.asked.length === requests) await new Promise((resolve) => setTimeout(resolve, 2));
    await keyring.broadcast();
    return client;
  };
  const held = stack.move();
  return {
    nats,
    keyring,
    guard,
    keyringPublicKey,
    bus,
    connect: (name) => connectAs(name),
    transport,
    options,
    orchestrator: (more = {}) => ready({ ...options("orchestrator"), ...more }),
    gateway: (more = {}) => ready({ ...options("gateway-openai"), role: "gateway", ...more }),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** A replay guard that remembers what it admitted, and begins a new epoch when a test calls {@link renew}. */
export class FakeGuard implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #seen = new Set<string>();
  epoch = randomBytes(16);
  generation = 1;
  /** Requests for the epoch so far. */
  epochAsked = 0;
  admits = 0;
  /** False: requests for the epoch get no reply. */
  tells = true;
  /** Set: every admit gets this verdict. */
  verdict: AdmitVerdict | undefined;

  constructor(bus: Bus) {
    this.#stack.use(
      bus.subscribe(patternOf("epochGet"), ({ reply }) => {
        this.epochAsked += 1;
        if (reply !== undefined && this.tells) bus.publish(reply, this.#record());
      }),
    );
    this.#stack.use(
      bus.subscribe(patternOf("admit"), ({ data, reply }) => {
        const items = decodeAdmitBatch(data);
        this.admits += items.length;
        const verdicts = items.map(({ sessionId, counter }): AdmitVerdict => {
          const id = `${Buffer.from(sessionId).toString("hex")} ${counter}`;
          const isNew = !this.#seen.has(id);
          this.#seen.add(id);
          return this.verdict ?? (isNew ? "fresh" : "replay");
        });
        if (reply !== undefined) bus.publish(reply, encodeVerdicts(verdicts));
      }),
    );
  }

  /** Begins a new epoch, without a broadcast. */
  renew(): void {
    this.epoch = randomBytes(16);
    this.generation += 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  #record(): Uint8Array {
    const epoch = this.epoch.toString("base64url");
    const record: EpochRecord = {
      v: 1,
      env: "dev",
      epoch,
      generation: this.generation,
      store: "s",
      from: 0,
      to: 1,
    };
    return writeMessage(record);
  }
}

/** A trust scorer that answers with the newest document that was broadcast. Its first document trusts every provider. */
export class FakeScorer implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  #document: TrustDocument = {
    v: 1,
    stream: { created: "2027-01-15T08:00:00Z", seq: 1 },
    providers: {},
  };

  constructor(bus: Bus) {
    this.#stack.use(
      bus.subscribe(SUBJECTS.trustState, ({ data }) => {
        const next = TrustDocument.safeParse(parse(data)).data;
        const { created, seq } = this.#document.stream;
        if (next === undefined || (next.stream.created === created && next.stream.seq < seq)) return;
        this.#document = next;
      }),
    );
    this.#stack.use(
      bus.subscribe(patternOf("trustGet"), ({ data, reply }) => {
        if (reply === undefined) return;
        const { stream } = HeldPlace.parse(parse(data));
        const isHeld = isDeepStrictEqual(stream, this.#document.stream);
        bus.publish(reply, isHeld ? new Uint8Array(0) : writeMessage(this.#document));
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function parse(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString("utf8"));
  } catch {
    return undefined;
  }
}
