import { z } from "zod";
import { exactBase64Url } from "./exact-base64url.ts";
import { Generation, INTEGER_MAX, Time } from "./integers.ts";
import { ENVIRONMENTS, Name, REQUEST_ID_PATTERN } from "./names.ts";

/** Providers that one document can speak of. */
export const CONTROL_PROVIDERS_MAX = 64;
/** Characters (code points: zod counts these) of a reason, and of a name of who gave it. */
export const REASON_MAX = 500;
export const ACTOR_MAX = 128;

/** Why SCBE is taken out of the path. Cause and {@link ControlState.fallback} decide what becomes of the traffic: "off" alone never means "unsealed". */
export const KILL_CAUSES = ["availability", "integrity"] as const;
export type KillCause = (typeof KILL_CAUSES)[number];

/** What becomes of traffic that is not sealed: `fallback` goes unsealed where the deployment permits it, `disabled` is refused. */
export type KillMode = "fallback" | "disabled";

/**
 * The causes for which an administrator may choose, beforehand, that traffic goes unsealed instead of being refused: a kill for
 * availability, and what the flags leave outside of a share. A kill for integrity always refuses.
 */
export const FALLBACK_CAUSES = ["availability", "flags"] as const;
export type FallbackCause = (typeof FALLBACK_CAUSES)[number];

/** base64url of 32, 16 and 64 bytes: the bits of the last character that fill no byte are zero. */
const Digest = exactBase64Url(32);
const Nonce = exactBase64Url(16);
const Signature = exactBase64Url(64);
const Percentage = z.int().min(0).max(100);

/** One kill: of everything, or of one provider. */
const Kill = z.strictObject({
  cause: z.enum(KILL_CAUSES),
  reason: z.string().max(REASON_MAX),
  /** Who: a token's name, `alert:<name>`, `security event`. */
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
 * The whole control state: one document, signed by the controller. A provider that the flags do not name is sealed and verified.
 * Times are ms since the Unix epoch.
 */
export const ControlState = z.strictObject({
  v: z.literal(1),
  env: z.enum(ENVIRONMENTS),
  /** Higher than that of every document before: at least the one before plus 1, and at least the time in ms. */
  generation: Generation,
  issued_at: Time,
  /**
   * The generation of the newest stored document that went into this one; absent: all before it did. A kill is sent before it is
   * stored: by this it shows whether it knew of what was stored meanwhile.
   */
  after: z.int().min(0).max(INTEGER_MAX).optional(),
  /** Its digest; absent: nothing was stored. Two documents may have the same generation, and only one of them is stored. */
  after_digest: Digest.optional(),
  kill_switch: z.strictObject({
    /** Of everything; `null`: not engaged. */
    all: Kill.nullable(),
    providers: byProvider(Kill),
  }),
  scbe_envelope_verification: z.strictObject({
    enabled: z.boolean(),
    providers: byProvider(z.strictObject({ enabled: z.boolean(), traffic_percentage: Percentage })),
  }),
  /** For which causes traffic goes unsealed instead of being refused: in alphabetical order, none twice. */
  fallback: z.strictObject({
    causes: z
      .array(z.enum(FALLBACK_CAUSES))
      .refine(
        (it) => it.every((cause, at) => at === 0 || String(it[at - 1]) < cause),
        "is not in order, or names a cause twice",
      ),
  }),
  /**
   * The last entry of the audit that the signing controller knew of; absent: none yet. If the audit lacks it, it was truncated or
   * rewritten.
   */
  audit: z.strictObject({ seq: z.int().min(1).max(INTEGER_MAX), hash: Digest }).optional(),
  /** A wider clock skew, for a time. */
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
 * Request to `scbe.v1.control.lease.<user>`; also a verifier's acknowledgement of what it holds. The subject alone says whose
 * verifier asks.
 */
export const LeaseRequest = z.strictObject({
  v: z.literal(1),
  /** base64url of 16 bytes, drawn for this question */
  nonce: Nonce,
  /** A UUID of any version, in lower case: this very process, drawn when it starts. */
  verifier: z.string().regex(REQUEST_ID_PATTERN),
  /** What it holds; `null`: nothing yet. */
  held: z.strictObject({ generation: Generation, digest: Digest }).nullable(),
  /**
   * The document that it holds: sent where the answer before named one that does not take its place, as after the store was lost
   * or restored. The signature says whose it is, so a controller may take it back.
   */
  state: SignedControl.optional(),
  /** Its own configuration lets it send or serve what goes unsealed. */
  fallback: z.boolean(),
  /** It is the last one: the process ends, and is not to be taken for one that is silent. */
  leaving: z.literal(true).optional(),
});
export type LeaseRequest = z.infer<typeof LeaseRequest>;

/** What a lease says, in RFC 8785 form in {@link LeaseAnswer}. */
export const Lease = z.strictObject({ nonce: Nonce, generation: Generation, digest: Digest });
export type Lease = z.infer<typeof Lease>;

/** The answer; it brings the document with it where the asker holds another one. */
export const LeaseAnswer = z.strictObject({
  v: z.literal(1),
  payload: z.string(),
  signature: Signature,
  state: SignedControl.optional(),
});
export type LeaseAnswer = z.infer<typeof LeaseAnswer>;

/** The id of a request, by which its side of a traffic share is found. */
export const RequestId = z.string().regex(REQUEST_ID_PATTERN);
