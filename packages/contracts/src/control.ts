import { z } from "zod";
import { exactBase64Url, Generation, INTEGER_MAX, Time } from "./message.ts";
import { ENVIRONMENTS, Name, REQUEST_ID_PATTERN } from "./names.ts";

/** How many providers one document can name. */
export const CONTROL_PROVIDERS_MAX = 64;
/** Longest reason and actor, in code points, which zod counts. */
export const REASON_MAX = 500;
export const ACTOR_MAX = 128;

/** Why a kill stops sealing. Its cause and {@link ControlState.fallback} decide whether traffic goes unsealed or is refused. */
export const KILL_CAUSES = ["availability", "integrity"] as const;
export type KillCause = (typeof KILL_CAUSES)[number];

/** Traffic that is not sealed: `fallback` sends it unsealed if the deployment permits that, `disabled` refuses it. */
export type KillMode = "fallback" | "disabled";

/**
 * The causes for which an administrator can choose in advance that traffic goes unsealed instead of being refused: a kill for
 * availability, and requests outside the share of a flag. A kill for integrity always refuses.
 */
export const FALLBACK_CAUSES = ["availability", "flags"] as const;
export type FallbackCause = (typeof FALLBACK_CAUSES)[number];

const Digest = exactBase64Url(32);
const Nonce = exactBase64Url(16);
const Signature = exactBase64Url(64);
const Percentage = z.int().min(0).max(100);

/** A kill of all providers, or of one. */
const Kill = z.strictObject({
  cause: z.enum(KILL_CAUSES),
  reason: z.string().max(REASON_MAX),
  /** The actor: a token's name, `alert:<name>`, `security event`. */
  by: z.string().max(ACTOR_MAX),
  since: Time,
});
export type Kill = z.infer<typeof Kill>;

function byProvider<T extends z.ZodType>(value: T) {
  return z
    .record(Name, value)
    .refine((it) => Object.keys(it).length <= CONTROL_PROVIDERS_MAX, "names too many providers");
}

/**
 * The control document, which the controller signs. Requests of a provider that the flags do not name are sealed and verified.
 * Times are ms since the Unix epoch.
 */
export const ControlState = z.strictObject({
  v: z.literal(1),
  env: z.enum(ENVIRONMENTS),
  /** Higher than all before: at least the last one plus 1, and at least the time in ms. */
  generation: Generation,
  issued_at: Time,
  /**
   * The generation of the newest stored document that this one is based on; absent: the one before it. A kill is sent before it is
   * stored, so this shows whether it includes what was stored meanwhile.
   */
  after: z.int().min(0).max(INTEGER_MAX).optional(),
  /** The digest of that document; absent if none was stored. Two documents can have one generation, and only one of them is stored. */
  after_digest: Digest.optional(),
  kill_switch: z.strictObject({
    /** The kill of all providers; `null` if there is none. */
    all: Kill.nullable(),
    providers: byProvider(Kill),
  }),
  scbe_envelope_verification: z.strictObject({
    enabled: z.boolean(),
    providers: byProvider(z.strictObject({ enabled: z.boolean(), traffic_percentage: Percentage })),
  }),
  /** The causes for which traffic goes unsealed instead of being refused: in alphabetical order, without repeats. */
  fallback: z.strictObject({
    causes: z
      .array(z.enum(FALLBACK_CAUSES))
      .refine(
        (it) => it.every((cause, at) => at === 0 || String(it[at - 1]) < cause),
        "is not in order, or names a cause twice",
      ),
  }),
  /**
   * The last audit entry that the signing controller knew; absent if there is none. If the audit lacks it, it was truncated or
   * rewritten.
   */
  audit: z.strictObject({ seq: z.int().min(1).max(INTEGER_MAX), hash: Digest }).optional(),
  /** A wider clock skew for a limited time. */
  skew_window: z
    .strictObject({ seconds: z.int().min(1).max(600), until: Time, reason: z.string().max(REASON_MAX) })
    .nullable(),
});
export type ControlState = z.infer<typeof ControlState>;

/** On `scbe.v1.control.state` and in KV: `payload` is the RFC 8785 form of a {@link ControlState}, `signature` the controller's. */
export const SignedControl = z.strictObject({
  v: z.literal(1),
  payload: z.string().max(32_768),
  signature: Signature,
});
export type SignedControl = z.infer<typeof SignedControl>;

/**
 * Request to `scbe.v1.control.lease.<user>`; it also reports the held document. Only the subject says which user's verifier sent
 * it.
 */
export const LeaseRequest = z.strictObject({
  v: z.literal(1),
  /** base64url of 16 bytes, random for each request. */
  nonce: Nonce,
  /** A UUID of any version, in lower case, that the process draws when it starts. */
  verifier: z.string().regex(REQUEST_ID_PATTERN),
  /** The held document; `null` before the first one. */
  held: z.strictObject({ generation: Generation, digest: Digest }).nullable(),
  /**
   * The held document itself, if the last answer named an older one, as after the store was lost or restored. Its signature lets a controller
   * take it back.
   */
  state: SignedControl.optional(),
  /** Its own configuration allows unsealed messages. */
  fallback: z.boolean(),
  /** The process ends, so the controller does not count it as silent. */
  leaving: z.literal(true).optional(),
});
export type LeaseRequest = z.infer<typeof LeaseRequest>;

/** The lease, in RFC 8785 form in {@link LeaseAnswer}. */
export const Lease = z.strictObject({ nonce: Nonce, generation: Generation, digest: Digest });
export type Lease = z.infer<typeof Lease>;

/** The answer; it brings the document if the verifier holds another one. */
export const LeaseAnswer = z.strictObject({
  v: z.literal(1),
  payload: z.string(),
  signature: Signature,
  state: SignedControl.optional(),
});
export type LeaseAnswer = z.infer<typeof LeaseAnswer>;

/** The id of a request, which decides whether it is inside a traffic share. */
export const RequestId = z.string().regex(REQUEST_ID_PATTERN);
