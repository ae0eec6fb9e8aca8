import { readFileSync } from "node:fs";
import type { Transport } from "@scbe/bus";
import type { StoreAccount, StoreRole } from "@scbe/contracts";
import { connect, credsAuthenticator, Events, headers, type NatsConnection, nkeyAuthenticator } from "nats";
import type { SecuredNats } from "./start-secured-nats.ts";

/** A user of the bus that does what a test asks for, past the client of SCBE's processes. */
export interface Probe extends AsyncDisposable {
  /** The subjects to which the server refuses this user's messages. */
  refusedPublishes(subjects: readonly string[]): Promise<Set<string>>;
  /** The cells on which the server refuses this user's subscriptions; a cell is "subject" or "subject queue". */
  refusedSubscriptions(cells: readonly string[]): Promise<Set<string>>;
  /** Publishes, with any reply subject. Resolves when the server has the message. */
  publish(subject: string, data: string | Uint8Array, reply?: string): Promise<void>;
  /** {@link publish} without waiting. */
  send(subject: string, data: string | Uint8Array, reply?: string): void;
  /** One request and its reply, both as text. @throws if no reply comes, or the server refuses */
  request(subject: string, data?: string): Promise<string>;
  /** Collects the messages of a cell, "subject" or "subject queue". Resolves when the server has the subscription. */
  listen(cell: string): Promise<readonly HeardMessage[]>;
  /** Resolves when the server has ended the connection. */
  readonly closed: Promise<void>;
}

export interface HeardMessage {
  readonly subject: string;
  readonly reply: string;
  readonly text: string;
}

export interface ProbeOptions {
  /** The user's name; its inbox is `_INBOX.<role>.<name>`. */
  readonly name: string;
  readonly transport: Transport;
}

/** Connects with the seed that the transport names. */
export async function connectProbe({ name, transport }: ProbeOptions): Promise<Probe> {
  const { servers, tlsCaFile, tlsCertFile, tlsKeyFile } = transport;
  const tls = {
    ...(tlsCaFile !== undefined && { caFile: tlsCaFile }),
    ...(tlsCertFile !== undefined && { certFile: tlsCertFile }),
    ...(tlsKeyFile !== undefined && { keyFile: tlsKeyFile }),
  };
  const connection = await connect({
    servers: [...servers],
    name,
    inboxPrefix: `_INBOX.${transport.role ?? name}.${name}`,
    reconnect: false,
    ...(tlsCaFile !== undefined && { tls }),
    ...authentication(transport),
  });
  const refused = new Set<string>();
  void collectRefusals(connection, refused);
  return {
    refusedPublishes: async (subjects) => {
      refused.clear();
      for (const subject of subjects) connection.publish(subject);
      await settle(connection);
      return new Set(refused);
    },
    refusedSubscriptions: (cells) => refusedSubscriptions(connection, cells),
    publish: async (subject, data, reply) => {
      connection.publish(subject, data, reply === undefined ? {} : { reply });
      await settle(connection);
    },
    send: (subject, data, reply) => connection.publish(subject, data, reply === undefined ? {} : { reply }),
    request: async (subject, data = "") => {
      const answer = await connection.request(subject, data, { timeout: REQUEST_TIMEOUT_MS });
      return answer.string();
    },
    listen: (cell) => listen(connection, cell),
    closed: connection.closed().then(() => undefined),
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

const REQUEST_TIMEOUT_MS = 2000;

async function collectRefusals(connection: NatsConnection, refused: Set<string>): Promise<void> {
  for await (const status of connection.status()) {
    const context = status.type === Events.Error ? status.permissionContext : undefined;
    if (context?.operation === "publish") refused.add(context.subject);
  }
}

/** The server refuses before it answers the first flush. The second flush lets the listeners see the refusal. */
async function settle(connection: NatsConnection): Promise<void> {
  await connection.flush();
  await connection.flush();
}

async function refusedSubscriptions(
  connection: NatsConnection,
  cells: readonly string[],
): Promise<Set<string>> {
  const refused = new Set<string>();
  const subscriptions = cells.map((cell) => {
    const [subject = "", queue] = cell.split(" ");
    return connection.subscribe(subject, {
      ...(queue !== undefined && { queue }),
      callback: (error) => {
        if (error !== null) refused.add(cell);
      },
    });
  });
  await settle(connection);
  for (const subscription of subscriptions) subscription.unsubscribe();
  await connection.flush();
  return refused;
}

async function listen(connection: NatsConnection, cell: string): Promise<readonly HeardMessage[]> {
  const heard: HeardMessage[] = [];
  const [subject = "", queue] = cell.split(" ");
  connection.subscribe(subject, {
    ...(queue !== undefined && { queue }),
    callback: (error, message) => {
      if (error !== null) return;
      heard.push({ subject: message.subject, reply: message.reply ?? "", text: message.string() });
    },
  });
  await connection.flush();
  return heard;
}

/** The store of a service, for what the service itself never does. */
export interface RawStore extends AsyncDisposable {
  readonly connection: NatsConnection;
  readonly connected: boolean;
  /** Publishes into the account. Resolves when its stream has the message. */
  put(subject: string, data: Uint8Array | string): Promise<void>;
  /** Marks a key of a bucket as deleted. */
  delete(subject: string): Promise<void>;
}

/** Connects to the account of a store as its service, or as another user of that account. */
export async function connectRawStore(
  nats: Pick<SecuredNats, "storeTransport">,
  account: StoreAccount,
  role: StoreRole = "store",
): Promise<RawStore> {
  const transport = nats.storeTransport(account, role);
  const { servers, user = "store" } = transport;
  const connection = await connect({
    servers: [...servers],
    name: `${account}.${user}`,
    inboxPrefix: `_INBOX.${account}.${user}`,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 200,
    ...authentication(transport),
  });
  let connected = true;
  void (async () => {
    for await (const { type } of connection.status()) {
      if (type === Events.Disconnect) connected = false;
      if (type === Events.Reconnect) connected = true;
    }
  })();
  const jetstream = connection.jetstream({ checkAPI: false });
  const put = async (subject: string, data: Uint8Array | string, operation?: string): Promise<void> => {
    const h = headers();
    if (operation !== undefined) h.set("KV-Operation", operation);
    await jetstream.publish(subject, data, { headers: h });
  };
  return {
    connection,
    get connected() {
      return connected;
    },
    put: (subject, data) => put(subject, data),
    delete: (subject) => put(subject, "", "DEL"),
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

function authentication({ nkeySeedFile, credsFile }: Pick<Transport, "nkeySeedFile" | "credsFile">) {
  if (credsFile !== undefined) return { authenticator: credsAuthenticator(readFileSync(credsFile)) };
  if (nkeySeedFile !== undefined) return { authenticator: nkeyAuthenticator(readFileSync(nkeySeedFile)) };
  return {};
}
