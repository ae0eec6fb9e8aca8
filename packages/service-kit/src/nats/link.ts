import type { NatsConnection } from "nats";
import { Events } from "nats";
import type { Logger } from "../logger.ts";

/** What {@link Link} hears of the server. */
export interface LinkEvents {
  onDown(): void;
  onUp(): void;
  /** The server refused an operation: the subject is outside this user's permissions. */
  onRefused(operation: "publish" | "subscription", subject: string): void;
}

/** Follows a connection's state until it is closed. The client library speaks of it in an iterator only. */
export async function followLink(connection: NatsConnection, log: Logger, events: LinkEvents): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === Events.Disconnect) events.onDown();
    else if (status.type === Events.Reconnect) events.onUp();
    else if (status.type === Events.Error) {
      const refused = status.permissionContext;
      if (refused === undefined) log.warn({ code: status.data }, "the NATS server reported an error");
      else {
        log.error({ operation: refused.operation, subject: refused.subject }, "NATS does not allow this");
        events.onRefused(refused.operation as "publish" | "subscription", refused.subject);
      }
    }
  }
}
