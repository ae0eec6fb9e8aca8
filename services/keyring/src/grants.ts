import { type ErrorCode, type GrantAnswer, ScbeError } from "@scbe/contracts";
import { deriveGrantMaterial } from "@scbe/envelope";
import { answerGrant, type Identity } from "@scbe/envelope/grant";
import { type Clock, type Rate, type TokenBucket, takeToken } from "@scbe/runtime";
import { judgeGrantRequest } from "./domain/judge-grant-request.ts";
import type { QuestionSubject, Served } from "./domain/may-ask.ts";
import type { RingKeeper } from "./ring-keeper.ts";

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
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(options: GrantsOptions) {
    this.#options = options;
  }

  /**
   * @param data a `GrantRequest` as JSON
   * @param subject what the subject that it came on says
   * @throws GrantRefused
   */
  async answer(data: Uint8Array, subject: QuestionSubject): Promise<GrantAnswer> {
    const { keeper, served, identity, clock, decryptOnlyMaxMs } = this.#options;
    const judged = judgeGrantRequest(data, subject, {
      ...{ served, ring: keeper.ring, nowMs: clock.now(), decryptOnlyMaxMs },
      count: (asker) => this.#count(asker),
    });
    if (!judged.ok) throw new GrantRefused(judged.code, judged.reason);
    const { verified, meta } = judged;
    const ikm = keeper.ikm(meta.kid);
    if (ikm === undefined) throw new GrantRefused("NOT_READY", "a key that is not loaded");
    const material = deriveGrantMaterial(ikm, verified.question);
    return answerGrant(verified, { material, meta }, identity);
  }

  #count(asker: string): boolean {
    const bucket = takeToken(this.#buckets.get(asker), this.#options.clock.monotonic(), GRANT_RATE);
    if (bucket !== undefined) this.#buckets.set(asker, bucket);
    return bucket !== undefined;
  }
}
