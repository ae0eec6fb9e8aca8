import { providerOf, SUBJECTS, TrustEvent } from "@scbe/contracts";

/** Characters of an event's id. What its senders draw is far shorter; the ids that are remembered have to fit into one value of the bucket. */
const ID_MAX = 64;

/** A message of the trust stream. */
export interface TrustMessage {
  readonly subject: string;
  readonly data: Uint8Array;
}

/**
 * The event that a message is, or `undefined` when it may not stand there. The bus lets only some publish on a subject, so the subject says who
 * spoke: clients of what became of requests to the provider that it names, the scorer itself of nonces, the controller of persons' words.
 */
export function readEvent(
  { subject, data }: TrustMessage,
  providers: ReadonlySet<string>,
): TrustEvent | undefined {
  const event = parse(data);
  if (event === undefined || !providers.has(event.provider) || event.id.length > ID_MAX) return undefined;
  return mayStand(event, subject) ? event : undefined;
}

function mayStand(event: TrustEvent, subject: string): boolean {
  switch (event.kind) {
    case "outcome":
      return providerOf("outcome", subject) === event.provider;
    case "integrity":
      return providerOf(event.cause === "nonce_reuse" ? "trustReuse" : "outcome", subject) === event.provider;
    case "calibration":
    case "clearing":
      return subject === SUBJECTS.trustWord;
  }
}

function parse(data: Uint8Array): TrustEvent | undefined {
  try {
    return TrustEvent.parse(JSON.parse(Buffer.from(data).toString("utf8")));
  } catch {
    return undefined;
  }
}
