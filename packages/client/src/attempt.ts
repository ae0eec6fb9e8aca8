import { type Bus, recordedSpan } from "@scbe/bus";
import {
  decodeProblem,
  isScbeError,
  type OutcomeResult,
  PROBLEM_MEDIA_TYPE,
  ScbeError,
} from "@scbe/contracts";
import { backoffMs, type Clock, type Slots } from "@scbe/runtime";
import type { EpochFollower, TrustView } from "@scbe/verifier";
import type { Deadline } from "./deadline.ts";
import { type ExchangeOutcome, exchangeMessage, type RequestExchange } from "./exchange.ts";
import { isUsable, judge } from "./expectations.ts";
import type { Outcomes, Wait } from "./outcomes/outcomes.ts";
import { resultOf } from "./outcomes/result-of.ts";
import type { RequestMessage, RequestReply } from "./request-message.ts";
import type { RequestMetrics } from "./request-metrics.ts";
import type { RequestOptions } from "./request-options.ts";
import { type ResolvedRoute, resolveRoute } from "./resolve-route.ts";
import { SealedMessage, type SealedMessagePorts } from "./sealed-message.ts";
import { UnsealedMessage, type UnsealedMessagePorts } from "./unsealed-message.ts";

export interface AttemptPorts extends SealedMessagePorts, UnsealedMessagePorts {
  readonly bus: Bus;
  readonly epochs: EpochFollower;
  readonly outcomes: Outcomes;
  readonly trust: TrustView;
  readonly clock: Clock;
  /** What the control document sends to fallback goes unsealed; else it is refused. */
  readonly fallbackAllowed: boolean;
  readonly acceptTimeoutMs: number;
  readonly flights: Slots<RequestExchange>;
  readonly shown: Pick<RequestMetrics, "landed">;
}

export interface AttemptOptions {
  readonly asked: RequestOptions;
  readonly requestId: string;
  readonly patience: Deadline;
  /** Whatever the reasons for another one. */
  readonly envelopesMax: number;
}

const BUSY_PAUSE = { firstMs: 10, maxMs: 500 };
const EPOCH_PAUSE_MS = 100;
/** How long the guards may take to answer for the epoch in force: longer than they need to begin one. */
const EPOCH_WAIT_MS_MAX = 3000;
/** How long a gateway may be ahead of this process in what the control document says. */
const SWITCH_WAIT_MS_MAX = 1000;

/**
 * One provider is asked. An envelope is never sent twice: whatever is tried again is sealed again, under the same request
 * id. For one run.
 */
export class Attempt {
  readonly #ports: AttemptPorts;
  readonly #asked: RequestOptions;
  readonly #requestId: string;
  readonly #patience: Deadline;
  readonly #envelopesMax: number;
  #envelopes = 0;
  #sealMs = 0;
  /** The last that was sent. */
  #cargo: RequestMessage | undefined;
  #sentAt = 0;
  /** The time that was left when it was sent. */
  #givenMs = 0;
  /** When it was sent, or the first of those before it that no gateway gave a sign of life for. */
  #silentFrom = 0;
  /** A gateway has given a sign of life for it. */
  #hasSign = false;
  #wasSilent = false;
  #hasAskedForEpoch = false;
  /** That of an envelope that was refused, once the guards have said that it is in force. */
  #refusedEpoch: string | undefined;

  constructor(ports: AttemptPorts, { asked, requestId, patience, envelopesMax }: AttemptOptions) {
    this.#ports = ports;
    this.#asked = asked;
    this.#requestId = requestId;
    this.#patience = patience;
    this.#envelopesMax = envelopesMax;
  }

  /** Sent so far, that is: also of a run that has failed. */
  get envelopes(): number {
    return this.#envelopes;
  }

  get sealMs(): number {
    return this.#sealMs;
  }

  /** Has the trust scorers told what it came to. @throws ScbeError see `Client.request` */
  async run(): Promise<RequestReply> {
    const startedAt = performance.now();
    try {
      const answer = await this.#ask();
      const { expects } = this.#asked;
      const result = expects === undefined ? "ok" : judge(answer, performance.now() - this.#sentAt, expects);
      this.#tell(result, startedAt);
      if (!isUsable(result)) throw badAnswer(this.#asked.provider, result);
      return answer;
    } catch (error) {
      const result = isScbeError(error) ? resultOf(error.code) : undefined;
      if (result !== undefined) this.#tell(result, startedAt);
      throw error;
    }
  }

  /** What was not sealed says nothing: anybody may have answered it. */
  #tell(result: OutcomeResult, startedAt: number): void {
    const cargo = this.#cargo;
    if (!(cargo instanceof SealedMessage)) return;
    const { outcomes } = this.#ports;
    const { provider, intent, model, expects } = this.#asked;
    const latencyMs = performance.now() - startedAt;
    const outcome = { provider, intent, model, requestId: this.#requestId, latencyMs };
    if (result === "refused") outcomes.refused(outcome, this.#refusedEpoch);
    else if (result === "timeout") outcomes.timedOut(outcome, this.#wait(cargo));
    else if (result === "latency") outcomes.late(outcome, expects?.withinMs ?? 0);
    else outcomes.note({ ...outcome, result });
  }

  #wait({ hasUnopened }: SealedMessage): Wait {
    if (this.#hasSign) return { of: "answer", givenMs: this.#givenMs, isUnopened: hasUnopened };
    return { of: "sign", givenMs: performance.now() - this.#silentFrom, isUnopened: hasUnopened };
  }

  readonly #onSign = (): void => {
    this.#hasSign = true;
    if (this.#cargo instanceof SealedMessage)
      this.#ports.outcomes.signed(this.#asked.provider, performance.now() - this.#sentAt);
  };

  async #ask(): Promise<RequestReply> {
    for (;;) {
      this.#patience.assert();
      const { provider } = this.#asked;
      const { control, fallbackAllowed } = this.#ports;
      const way = resolveRoute(control, { provider, requestId: this.#requestId, fallbackAllowed });
      if (this.#envelopes >= this.#envelopesMax) throw this.#notTaken();
      const cargo = this.#load(way);
      const landing = await this.#exchangeMessage(cargo);
      if (landing.kind === "answered") return this.#truthOf(landing.answer);
      await this.#prepareNext(landing, way, cargo);
    }
  }

  /** @throws ScbeError what an answer says that is a problem */
  #truthOf(answer: RequestReply): RequestReply {
    const problem = answer.contentType === PROBLEM_MEDIA_TYPE ? decodeProblem(answer.body) : undefined;
    if (answer.header !== undefined) {
      // A handler that had no answer in time has not shown how long one takes.
      const ms = problem?.code === "TIMEOUT" ? undefined : performance.now() - this.#sentAt;
      this.#ports.outcomes.answered(this.#asked.provider, this.#asked, ms);
    }
    if (problem !== undefined) throw problem;
    return answer;
  }

  /** @throws ScbeError when no other envelope is worth it */
  async #prepareNext({ kind }: ExchangeOutcome, way: ResolvedRoute, cargo: RequestMessage): Promise<void> {
    switch (kind) {
      case "silent":
        this.#wasSilent = true;
        return;
      case "busy":
        await this.#pause();
        return;
      case "switched_off":
        this.#wasSilent = true;
        if (!(await this.#isWayLeft(way))) throw closedWay(this.#asked.provider);
        return;
      case "refused":
        if (this.#hasLeft(way)) return;
        if (!(await this.#hasEpochChanged(cargo))) throw refused();
        if (this.#patience.leftMs <= 0) throw refused();
        this.#hasAskedForEpoch = true;
    }
  }

  async #pause(): Promise<void> {
    const pauseMs = backoffMs(this.#envelopes, Math.random(), BUSY_PAUSE);
    const isLast = this.#envelopes >= this.#envelopesMax;
    if (isLast || pauseMs >= this.#patience.leftMs) throw this.#notTaken();
    await this.#patience.during(pauseMs);
  }

  /** True when the way of a try is none any more. */
  #hasLeft(way: ResolvedRoute): boolean {
    return this.#ports.control.route(this.#asked.provider, this.#requestId).way !== way;
  }

  /** A gateway may have heard of a switch before this process. */
  async #isWayLeft(way: ResolvedRoute): Promise<boolean> {
    if (this.#hasLeft(way)) return true;
    const { promise, resolve } = Promise.withResolvers<true>();
    using _following = this.#ports.control.onChange(() => {
      if (this.#hasLeft(way)) resolve(true);
    });
    return (await this.#patience.during(SWITCH_WAIT_MS_MAX, promise)) === true;
  }

  #load(way: ResolvedRoute): RequestMessage {
    const startedAt = performance.now();
    const Kind = way === "sealed" ? SealedMessage : UnsealedMessage;
    const cargo = new Kind(this.#asked, this.#requestId, this.#ports);
    this.#sealMs += performance.now() - startedAt;
    return cargo;
  }

  async #exchangeMessage(cargo: RequestMessage): Promise<ExchangeOutcome> {
    const { bus, acceptTimeoutMs, flights, shown } = this.#ports;
    this.#envelopes += 1;
    this.#cargo = cargo;
    this.#sentAt = performance.now();
    this.#givenMs = this.#patience.leftMs;
    if (!this.#wasSilent) this.#silentFrom = this.#sentAt;
    this.#hasSign = false;
    const onSign = this.#onSign;
    const options = { bus, cargo, patience: this.#patience, acceptTimeoutMs, among: flights, onSign };
    try {
      const landing = await exchangeMessage(options);
      shown.landed(cargo, landing.kind);
      return landing;
    } catch (error) {
      shown.landed(cargo, "failed");
      throw error;
    }
  }

  /** Asks the guards, who may be at beginning an epoch just now, and so may have to be asked again. */
  async #hasEpochChanged(cargo: RequestMessage): Promise<boolean> {
    if (!(cargo instanceof SealedMessage)) return false;
    const { epoch } = cargo.sealed.header;
    const isConfirmed = this.#hasAskedForEpoch || (await this.#askForEpoch());
    const isSame = textOf(this.#ports.epochs.current()) === epoch;
    if (isConfirmed && isSame) this.#refusedEpoch = epoch;
    return !isSame && !this.#hasAskedForEpoch;
  }

  /** True when they have answered. */
  async #askForEpoch(): Promise<boolean> {
    const { epochs } = this.#ports;
    recordedSpan()?.addEvent("the guards are asked for the epoch in force");
    const until = performance.now() + Math.min(this.#patience.leftMs, EPOCH_WAIT_MS_MAX);
    const leftMs = (): number => until - performance.now();
    while (leftMs() > 0) {
      if ((await this.#patience.during(leftMs(), epochs.ask())) === true) return true;
      await this.#patience.during(Math.min(leftMs(), EPOCH_PAUSE_MS));
    }
    return false;
  }

  /** BUSY says that nothing was opened; a gateway that was silent may have opened its envelope. */
  #notTaken(): ScbeError {
    const { provider } = this.#asked;
    return this.#wasSilent
      ? new ScbeError("TIMEOUT", `no gateway of ${provider} took the request in time`)
      : new ScbeError("BUSY", `every gateway of ${provider} that was asked was full`);
  }
}

function textOf(epoch: Uint8Array | undefined): string | undefined {
  return epoch && Buffer.from(epoch).toString("base64url");
}

function badAnswer(provider: string, result: OutcomeResult): ScbeError {
  return new ScbeError("BAD_ANSWER", `the answer of ${provider} is not what was expected: ${result}`);
}

function refused(): ScbeError {
  return new ScbeError("REFUSED", "the gateway refused the envelope; it tells nobody why");
}

/** The gateway may have carried it out before it was switched off. */
function closedWay(provider: string): ScbeError {
  return new ScbeError("SWITCHED_OFF", `a gateway of ${provider} says that it is switched off`);
}
