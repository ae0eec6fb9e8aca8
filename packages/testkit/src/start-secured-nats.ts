import { provision, type StoreTransport, type Transport } from "@scbe/bus";
import { STORE_ACCOUNTS, type StoreAccount, type StoreRole } from "@scbe/contracts";
import { type Credentials, type CredentialsOptions, issueCredentials } from "@scbe/credentials";
import { createTempDir, type NatsServer, startNats } from "@scbe/local-stack";
import { createLogger } from "@scbe/service";

export interface SecuredNatsOptions extends Partial<CredentialsOptions> {
  /** Makes the buckets and streams; `true` unless told. */
  readonly provisioned?: boolean;
  /** Another nats-server than the one on this machine's PATH; see {@link natsVersions}. */
  readonly program?: string | undefined;
}

/** A real nats-server on which every process has a user with the permissions of its row in the access table. */
export interface SecuredNats extends AsyncDisposable {
  readonly server: NatsServer;
  readonly url: string;
  readonly credentials: Credentials;
  /** How the user of that name reaches this server. @throws ScbeError BAD_REQUEST for an unknown name */
  transport(name: string): Transport;
  /** How a service reaches the account of its store, or another user of that account does. */
  storeTransport(account: StoreAccount, role?: StoreRole): StoreTransport;
}

/** Starts one with fresh credentials; `dev` and the provider `openai` unless told. */
export async function startSecuredNats(options: SecuredNatsOptions = {}): Promise<SecuredNats> {
  const { provisioned = true, env = "dev", providers = ["openai"], program, ...more } = options;
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(createTempDir());
  const credentials = issueCredentials(dir.path, { ...more, env, providers });
  const server = stack.use(await startNats({ configFile: credentials.configFile, program }));
  const transport = (name: string): Transport => credentials.transport(name, [server.url]);
  const storeTransport = (account: StoreAccount, role?: StoreRole): StoreTransport =>
    credentials.storeTransport(account, [server.url], role);
  if (provisioned) {
    const log = createLogger({ name: "provision", level: "silent" });
    const transports = STORE_ACCOUNTS.map((account) => storeTransport(account, "provision"));
    const result = await provision({ transports, log, env, replicas: 1 });
    if (!result.ok) throw new Error(result.problems.join("\n"));
  }
  const held = stack.move();
  return {
    server,
    url: server.url,
    credentials,
    transport,
    storeTransport,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
