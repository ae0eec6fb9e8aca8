import { readFileSync, writeFileSync } from "node:fs";
import type { SecuredNats } from "@scbe/testkit";
import { connect, type Msg, nkeyAuthenticator, nkeys } from "nats";

/** One message on the bus. */
export interface TappedMessage {
  readonly subject: string;
  readonly reply: string;
  readonly data: Buffer;
  /** Subject, reply, headers and data: everything that a listener can read. */
  readonly bytes: Buffer;
}

/** Hears every message on the bus. */
export interface Tap extends AsyncDisposable {
  readonly messages: readonly TappedMessage[];
  /** Publishes, with every right. */
  publish(subject: string, data: Uint8Array): Promise<void>;
  /** Resolves when all messages that the server has received are heard. */
  settle(): Promise<void>;
}

/** A user with every right. */
export interface FullUser {
  readonly seed: Uint8Array;
  readonly nkey: string;
}

export function createFullUser(): FullUser {
  const pair = nkeys.createUser();
  return { seed: pair.getSeed(), nkey: pair.getPublicKey() };
}

/** The line before the users in the server's configuration, and the line of a user with every right. */
export const USERS_LINE = "    users: [";
export const fullUserLine = ({ nkey }: FullUser): string => `      { nkey: ${nkey} }`;

/** Listens on `>`. */
export async function connectTap(url: string, { seed }: FullUser): Promise<Tap> {
  const nats = await connect({ servers: url, authenticator: nkeyAuthenticator(seed), reconnect: false });
  const messages: TappedMessage[] = [];
  nats.subscribe(">", {
    callback: (error, message) => {
      if (error === null) messages.push(tapped(message));
    },
  });
  await nats.flush();
  return {
    messages,
    publish: async (subject, data) => {
      nats.publish(subject, data);
      await nats.flush();
    },
    settle: () => nats.flush(),
    [Symbol.asyncDispose]: () => nats.close(),
  };
}

function tapped(message: Msg): TappedMessage {
  const { subject, reply = "" } = message;
  const data = Buffer.from(message.data);
  const headers = [...(message.headers ?? [])].flatMap(([name, values]) =>
    values.map((value) => `${name}: ${value}\r\n`),
  );
  const bytes = Buffer.concat([Buffer.from(`${subject} ${reply}\r\n${headers.join("")}\r\n`), data]);
  return { subject, reply, data, bytes };
}

/** Adds the tap's user to the server's configuration and restarts the server, before processes connect. */
export async function startTap({ server, url, credentials: { configFile } }: SecuredNats): Promise<Tap> {
  const user = createFullUser();
  const config = readFileSync(configFile, "utf8");
  writeFileSync(configFile, config.replace(USERS_LINE, `${USERS_LINE}\n${fullUserLine(user)}`));
  await server.restart();
  return connectTap(url, user);
}
