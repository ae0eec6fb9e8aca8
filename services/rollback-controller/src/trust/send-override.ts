import type { Bus } from "@scbe/bus";
import {
  type ErrorCode,
  isScbeError,
  readMessage,
  ScbeError,
  subjectOf,
  TrustOverrideAnswer,
  writeMessage,
} from "@scbe/contracts";
import type { TrustOverride } from "../domain/trust-overrides.ts";

/** What became of a word that was sent to the trust scorers. */
export type Sent =
  /** The trust stream has it, under this number. */
  | { readonly is: "stored"; readonly seq: number }
  /** No scorer will ever take it. */
  | { readonly is: "refused"; readonly error: ScbeError }
  /** It is to be sent again. */
  | { readonly is: "waiting"; readonly error: ScbeError };

/** Until the stream has it. */
const TIMEOUT_MS = 2000;
const ASK_AGAIN_AFTER_MS = 500;
const ANSWER_BYTES_MAX = 256;

/**
 * With these the trust scorer never accepts the word. Every other failure may pass. INTERNAL is either the word's own (a defect) or the
 * stream's (full): the outbox holds back words of that provider only.
 */
const PERMANENT: ReadonlySet<ErrorCode> = new Set(["BAD_REQUEST"]);

/** Sends one word. The same word, sent again, counts once: its id is the id of the message in the stream, and the scorer remembers it. */
export async function sendOverride(
  bus: Pick<Bus, "user" | "request">,
  word: TrustOverride,
  signal: AbortSignal,
): Promise<Sent> {
  const subject = subjectOf("trustWord", { user: bus.user });
  const options = { timeoutMs: TIMEOUT_MS, againAfterMs: ASK_AGAIN_AFTER_MS, signal };
  try {
    const { data } = await bus.request(subject, writeMessage(word), options);
    const answer = readMessage(data, TrustOverrideAnswer, ANSWER_BYTES_MAX);
    if (answer !== undefined) return { is: "stored", seq: answer.seq };
    throw new ScbeError("INTERNAL", "what a trust scorer has answered is no acknowledgement");
  } catch (cause) {
    const error = isScbeError(cause) ? cause : new ScbeError("INTERNAL", "a word was not sent", { cause });
    return { is: PERMANENT.has(error.code) ? "refused" : "waiting", error };
  }
}
