import { readFileSync, writeFileSync } from "node:fs";
import type { SecuredNats } from "@scbe/testkit";
import { connect, type Msg, nkeyAuthenticator, nkeys } from "nats";

/** One message as it crossed the bus. */
export interface TappedMessage {
  readonly subject: string;
  readonly reply: string;
  readonly data: Buffer;
  /** Subject, reply, headers and data, one after the other: all that a listener could read. */
  readonly bytes: Buffer;
}

/** Hears everything on the bus from its start on. */
export interface Tap extends AsyncDisposable {
  readonly messages: readonly TappedMessage[];
  /** Publishes, with every right. */
  publish(subject: string, data: Uint8Array): Promise<void>;
  /** Resolves when everything that the server has taken so far was heard. */
  settle(): Promise<void>;
}

/** A user who may do everything. */
export interface FullUser {
  readonly seed: Uint8Array;
  readonly nkey: string;
}

export function createFullUser(): FullUser {
  const pair = nkeys.createUser();
  return { seed: pair.getSeed(), nkey: pair.getPublicKey() };
}

/** What stands before the list of users in the server's configuration, and what stands there for a user with every right. */
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

/** Adds the tap's user to the server's configuration, before anybody else is there. */
export async function startTap({ server, url, credentials: { configFile } }: SecuredNats): Promise<Tap> {
  const user = createFullUser();
  const config = readFileSync(configFile, "utf8");
  writeFileSync(configFile, config.replace(USERS_LINE, `${USERS_LINE}\n${fullUserLine(user)}`));
  await server.restart();
  return connectTap(url, user);
}
