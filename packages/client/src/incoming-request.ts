import type { EndpointAnswer } from "@scbe/bus";
import type { CallHeader, HandlerAnswer } from "./gateway-options.ts";

/** A request at a gateway, as its handler sees it, and how what the handler says goes back. */
export interface IncomingRequest {
  readonly header: CallHeader;
  readonly body: Uint8Array;
  readonly isSealed: boolean;
  /** At most that many bytes of an answer are headers. */
  readonly headerBytesMax: number;
  /** @throws ScbeError BAD_REQUEST for what cannot stand in a header; NO_KEYS or SWITCHED_OFF when nothing can be sealed any more */
  reply(answer: HandlerAnswer): NonNullable<EndpointAnswer>;
}
