import { readFileSync } from "node:fs";
import type { Transport } from "@scbe/bus";
import { connect, credsAuthenticator, Events, type NatsConnection, nkeyAuthenticator } from "nats";

/** Anything but the client that SCBE's processes use: it asks the server for whatever it is told to. */
export interface Probe extends AsyncDisposable {
  /** Those of the subjects that the server does not let this user publish to. */
  refusedPublishes(subjects: readonly string[]): Promise<Set<string>>;
  /** Those of the cells that the server does not let this user subscribe to; a cell is "subject" or "subject queue". */
  refusedSubscriptions(cells: readonly string[]): Promise<Set<string>>;
  /** Publishes, naming any reply subject at all; resolves when the server has seen it. */
  publish(subject: string, data: string | Uint8Array, reply?: string): Promise<void>;
  /** As {@link publish}, and waits for nothing. */
  send(subject: string, data: string | Uint8Array, reply?: string): void;
  /** One question, one answer, both as text. @throws when nobody answers, or the server refuses */
  request(subject: string, data?: string): Promise<string>;
  /** Collects everything that arrives at a cell, "subject" or "subject queue"; resolves when the server has the subscription. */
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

/** Connects as the user whose seed the transport names. */
export async function connectProbe({ name, transport }: ProbeOptions): Promise<Probe> {
  const { nkeySeedFile, credsFile, servers, tlsCaFile, tlsCertFile, tlsKeyFile } = transport;
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
    ...(nkeySeedFile !== undefined && { authenticator: nkeyAuthenticator(readFileSync(nkeySeedFile)) }),
    ...(credsFile !== undefined && { authenticator: credsAuthenticator(readFileSync(credsFile)) }),
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

/** The server refuses before it answers a flush that came later; the second one lets the listeners hear of it. */
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
