import { type ErrorCode, type GrantAnswer, GrantQuestion, isScbeError, ScbeError } from "@scbe/contracts";
import { deriveGrantMaterial } from "@scbe/envelope";
import { answerGrant, type Identity, verifyQuestion } from "@scbe/envelope/grant";
import type { Clock } from "@scbe/service-kit";
import { chooseKey } from "./domain/choose-key.ts";
import { mayAsk, type Served } from "./domain/may-ask.ts";
import { type Bucket, type Rate, takeToken } from "./domain/take-token.ts";
import type { RingKeeper } from "./ring-keeper.ts";

/** Bytes of a question; a larger one is refused unread. */
export const QUESTION_BYTES_MAX = 2048;

/** For each asker: a process that starts asks for every (openable kid, provider, intent) of its own at once. */
export const GRANT_RATE: Rate = { burst: 2048, perSecond: 200 };

export interface GrantsOptions {
  readonly keeper: RingKeeper;
  readonly served: Served;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly decryptOnlyMaxMs: number;
}

/** Why a question was refused. `reason` is for the operator; the asker hears the code and the same text for all of it. */
export class GrantRefused extends ScbeError {
  readonly reason: string;

  constructor(code: ErrorCode, reason: string) {
    super(code, "no grant");
    this.reason = reason;
  }
}

/** Answers questions for subkeys. Nothing is derived before asker and signature have been checked, and nothing is kept. */
export class Grants {
  readonly #options: GrantsOptions;
  /** One for each asker on the list that has asked: bounded by the list. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: GrantsOptions) {
    this.#options = options;
  }

  /**
   * @param data a {@link GrantQuestion} as JSON
   * @param provider the last token of the subject that it came on
   * @throws GrantRefused
   */
  async answer(data: Uint8Array, provider: string): Promise<GrantAnswer> {
    const { keeper, served, identity, clock, decryptOnlyMaxMs } = this.#options;
    const question = decodeQuestion(data);
    const allowed = mayAsk(question, provider, served);
    if (!allowed.ok) throw new GrantRefused(allowed.code, allowed.reason);
    const verdict = verifyQuestion(question);
    if (!verdict.ok) throw new GrantRefused("FORBIDDEN", `a question with a bad ${verdict.reason}`);
    this.#limit(question.asker);

    if (keeper.ring === undefined) throw new GrantRefused("NOT_READY", "no ring yet");
    const meta = chooseKey(keeper.ring, question.kid, { nowMs: clock.now(), decryptOnlyMaxMs });
    if (meta === undefined) throw new GrantRefused("NO_KEYS", "a kid that opens nothing");
    const ikm = keeper.ikm(meta.kid);
    if (ikm === undefined) throw new GrantRefused("NOT_READY", "a key that is not loaded");
    const material = deriveGrantMaterial(ikm, question);
    return answerGrant(verdict.verified, { material, meta }, identity).catch(refuse);
  }

  #limit(asker: string): void {
    const bucket = takeToken(this.#buckets.get(asker), this.#options.clock.monotonic(), GRANT_RATE);
    if (bucket === undefined) throw new GrantRefused("BUSY", "too many questions of one asker");
    this.#buckets.set(asker, bucket);
  }
}

/** A point that nothing can be sealed to, the asker's own mistake; what else goes wrong is ours. */
function refuse(error: unknown): never {
  if (isScbeError(error, "BAD_REQUEST")) throw new GrantRefused("BAD_REQUEST", error.message);
  throw error;
}

function decodeQuestion(data: Uint8Array): GrantQuestion {
  if (data.length > QUESTION_BYTES_MAX) throw new GrantRefused("BAD_REQUEST", "a question that is too large");
  try {
    return GrantQuestion.parse(JSON.parse(Buffer.from(data).toString("utf8")));
  } catch {
    throw new GrantRefused("BAD_REQUEST", "a malformed question");
  }
}
