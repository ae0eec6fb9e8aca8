/**
 * Names of span attributes: OpenTelemetry's semantic conventions for messaging and errors, and `scbe.*` for what they have
 * no name for. No attribute holds a body, a key, a nonce or anything that was not verified.
 */
export const ATTRIBUTES = {
  system: "messaging.system",
  operationName: "messaging.operation.name",
  operationType: "messaging.operation.type",
  destination: "messaging.destination.name",
  consumerGroup: "messaging.consumer.group.name",
  bodySize: "messaging.message.body.size",
  errorType: "error.type",
  /** A UUID: by it a support ticket finds its trace. */
  requestId: "scbe.request_id",
  provider: "scbe.provider",
  model: "scbe.model",
  intent: "scbe.intent",
  phase: "scbe.phase",
  kid: "scbe.kid",
  /** How many envelopes a request took. */
  envelopes: "scbe.envelopes",
  /** How the journey of one envelope ended: answered, refused, busy or silent. */
  landing: "scbe.landing",
  /** What the replay guard said: fresh, replay, reuse or refused. */
  verdict: "scbe.verdict",
  /** Why an envelope was not opened; never told to its sender. */
  refusal: "scbe.refusal",
  /** Why an opening token was not taken; never told to its sender. */
  openingToken: "scbe.opening_token",
  /** The step of opening that refused (docs/spec/envelope-v1.md, "Opening"). */
  refusalStep: "scbe.refusal_step",
} as const;
