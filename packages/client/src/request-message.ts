import type { BusHeaders, BusMessage } from "@scbe/bus";
import type { ResponseHeader } from "@scbe/envelope";

/** What travels to a gateway in one try of a request. */
export interface RequestMessage {
  readonly subject: "request" | "fallback";
  readonly provider: string;
  readonly bytes: Uint8Array;
  readonly headers: BusHeaders;
  /** 32 bytes that no other try has: by them it is cancelled. */
  readonly id: Uint8Array;
  /** The `scbe-status` of what may be its answer; any other way of answering counts as not come. */
  readonly answeredBy: "sealed" | "unsealed";
  /** Reads what may be the answer; `undefined`: it is none to this. */
  open(message: BusMessage): RequestReply | undefined;
  /** False when its way is closed while it travels. */
  isPermitted(): boolean;
}

/** An answer that belongs to a cargo. */
export interface RequestReply {
  readonly body: Uint8Array;
  readonly contentType: string;
  /** `none` where its header names none. */
  readonly schemaHash: string;
  /** Authenticated; absent where nothing was sealed. */
  readonly header?: ResponseHeader;
}
