import { namesIn, readMessage, TRUST_OVERRIDE_BYTES_MAX, TrustEvent } from "@scbe/contracts";

/** Characters of an event's id. What its senders draw is far shorter; the ids that are remembered have to fit into one value of the bucket. */
const ID_MAX = 64;

/** A message of the trust stream. */
export interface TrustMessage {
  readonly subject: string;
  readonly data: Uint8Array;
}

/**
 * The event that a message is, or `undefined` when it may not stand there. The bus lets only some publish on a subject, so the subject says who
 * spoke: the teller that it names of what became of requests to the provider that it names, the scorer itself of nonces, the controller of persons' words.
 */
export function readEvent(
  { subject, data }: TrustMessage,
  providers: ReadonlySet<string>,
): TrustEvent | undefined {
  const event = readMessage(data, TrustEvent, TRUST_OVERRIDE_BYTES_MAX);
  if (event === undefined || !providers.has(event.provider) || event.id.length > ID_MAX) return undefined;
  return mayStand(event, subject) ? event : undefined;
}

function mayStand(event: TrustEvent, subject: string): boolean {
  switch (event.kind) {
    case "outcome":
      return isTold(event, subject);
    case "integrity":
      if (event.cause === "nonce_reuse") return namesIn("trustReuse", subject)?.provider === event.provider;
      return isTold(event, subject);
    case "calibration":
    case "clearing":
      return namesIn("trustWord", subject) !== undefined;
  }
}

function isTold(event: { readonly teller: string; readonly provider: string }, subject: string): boolean {
  const names = namesIn("outcome", subject);
  return names?.user === event.teller && names.provider === event.provider;
}
