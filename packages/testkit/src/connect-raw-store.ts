import { readFileSync } from "node:fs";
import type { StoreAccount, StoreRole } from "@scbe/contracts";
import { connect, credsAuthenticator, Events, headers, type NatsConnection, nkeyAuthenticator } from "nats";
import type { SecuredNats } from "./start-secured-nats.ts";

/** A service's own store, reached past its code: for what no service does. */
export interface RawStore extends AsyncDisposable {
  readonly connection: NatsConnection;
  readonly connected: boolean;
  /** Publishes into the account, and resolves when its stream has it. */
  put(subject: string, data: Uint8Array | string): Promise<void>;
  /** Marks a key of a bucket as deleted. */
  delete(subject: string): Promise<void>;
}

/** Connects to the account of a store with the seed of its service, or of another user of that account. */
export async function connectRawStore(
  nats: Pick<SecuredNats, "storeTransport">,
  account: StoreAccount,
  role: StoreRole = "store",
): Promise<RawStore> {
  const { servers, nkeySeedFile, credsFile, user = "store" } = nats.storeTransport(account, role);
  const connection = await connect({
    servers: [...servers],
    name: `${account}.${user}`,
    inboxPrefix: `_INBOX.${account}.${user}`,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 200,
    ...(nkeySeedFile !== undefined && { authenticator: nkeyAuthenticator(readFileSync(nkeySeedFile)) }),
    ...(credsFile !== undefined && { authenticator: credsAuthenticator(readFileSync(credsFile)) }),
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
