import { type Bus, connectBus, loadIdentity, type Transport } from "@scbe/bus";
import { type Client, type ConnectOptions, connect } from "@scbe/client";
import type { Role } from "@scbe/contracts";
import { issueCredentials } from "@scbe/credentials";
import { createTempDir, type NatsServer, startNats } from "@scbe/local-stack";
import { createLogger } from "@scbe/service";
import { FakeGuard } from "./fake-guard.ts";
import { FakeKeyring } from "./fake-keyring.ts";
import { FakeScorer } from "./fake-scorer.ts";

/** A real nats-server with a scripted keyring, guard and trust scorer on it; clients are the product's own. */
export interface Deployment extends AsyncDisposable {
  readonly nats: NatsServer;
  readonly keyring: FakeKeyring;
  readonly guard: FakeGuard;
  readonly keyringPublicKey: string;
  /** A connection without any identity, for whatever the test wants to say itself. */
  readonly bus: Bus;
  /** Another one. */
  connect(name: string): Promise<Bus>;
  transport(name: string): Transport;
  /** What {@link connect} takes for a client of that name. */
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
    const asked = keyring.asked.length;
    const client = connect(settings);
    client.catch(() => undefined);
    while (keyring.asked.length === asked) await new Promise((resolve) => setTimeout(resolve, 2));
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
