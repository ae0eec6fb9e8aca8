import { readFileSync } from "node:fs";
import { connect, createInbox, type NatsConnection, nkeyAuthenticator } from "nats";

/** A user of the bus, and the servers. */
export interface PlainUser {
  readonly name: string;
  readonly role: "orchestrator" | "gateway";
  readonly servers: readonly string[];
  /** A file that holds the user's nkey seed. */
  readonly seedFile: string;
}

/** A connection, and inboxes that no other user may subscribe to. */
export interface PlainConnection {
  readonly nats: NatsConnection;
  /** The user's name, which is a token of every request subject. */
  readonly user: string;
  newInbox(): string;
}

/** Connects with the user's nkey. Replies go to `_INBOX.<role>.<name>.>`, the only inbox that this user may subscribe to. */
export async function connectUser({ name, role, servers, seedFile }: PlainUser): Promise<PlainConnection> {
  const inboxPrefix = `_INBOX.${role}.${name}`;
  const nats = await connect({
    servers: [...servers],
    name,
    inboxPrefix,
    authenticator: nkeyAuthenticator(readFileSync(seedFile)),
  });
  return { nats, user: name, newInbox: () => createInbox(inboxPrefix) };
}
