import type { Logger } from "@scbe/runtime";
import type { NatsConnection, Status } from "nats";
import { DebugEvents, Events, ErrorCode as NatsCode } from "nats";
import type { Reconnecting } from "./reconnecting.ts";

/** What {@link followLink} tells of the server. */
export interface LinkEvents {
  onDown(): void;
  onUp(): void;
  /** The server refused an operation: the subject is outside this user's permissions. */
  onRefused(operation: "publish" | "subscription", subject: string): void;
}

/** The server does not accept the user that connects. */
const USER_REFUSALS: ReadonlySet<unknown> = new Set([
  NatsCode.AuthorizationViolation,
  NatsCode.AuthenticationExpired,
  NatsCode.AccountExpired,
]);

/** Follows a connection's state until it is closed. The client library speaks of it in an iterator only. */
export async function followLink(
  connection: NatsConnection,
  reconnecting: Reconnecting,
  log: Logger,
  events: LinkEvents,
): Promise<void> {
  let isDown = false;
  for await (const status of connection.status()) {
    if (status.type === Events.Disconnect) {
      isDown = true;
      events.onDown();
    } else if (status.type === DebugEvents.Reconnecting) {
      reconnecting.tries(String(status.data));
    } else if (status.type === Events.Error) {
      if (isDown && USER_REFUSALS.has(status.data)) reconnecting.userRefused();
      else tellError(status, log, events);
    } else if (status.type === Events.Reconnect && isDown) {
      // The library says it once for each try that failed after the server had answered.
      if (reconnecting.takesServer()) {
        isDown = false;
        reconnecting.ends();
        events.onUp();
      } else {
        // A server without users has let it in all the same. This fails for a connection that is being closed.
        await connection.reconnect().catch(() => undefined);
      }
    }
  }
}

function tellError({ data, permissionContext: refused }: Status, log: Logger, events: LinkEvents): void {
  if (refused === undefined) {
    log.warn({ code: data }, "the NATS server reported an error");
    return;
  }
  log.error({ operation: refused.operation, subject: refused.subject }, "NATS does not allow this");
  events.onRefused(refused.operation as "publish" | "subscription", refused.subject);
}
