import { type Bus, recordedSpan } from "@scbe/bus";
import {
  decodeProblem,
  type ExchangeResult,
  isScbeError,
  type OutcomeResult,
  PROBLEM_MEDIA_TYPE,
  ScbeError,
} from "@scbe/contracts";
import { backoffMs, type Clock, type Slots } from "@scbe/runtime";
import type { EpochFollower, TrustView } from "@scbe/verifier";
import { type OutcomeReporter, resultOf, type Wait } from "../outcomes/reporter.ts";
import { type ResolvedRoute, resolveRoute } from "../route.ts";
import type { Deadline } from "./deadline.ts";
import { type ExchangeOutcome, exchangeMessage, type RequestExchange } from "./exchange.ts";
import { isUsable, judge } from "./expectations.ts";
import {
  type MessagePorts,
  type RequestMessage,
  type RequestReply,
  SealedMessage,
  UnsealedMessage,
} from "./message.ts";
import type { RequestOptions } from "./options.ts";

export interface AttemptPorts extends MessagePorts {
  readonly bus: Bus;
  readonly epochs: EpochFollower;
  readonly reporter: OutcomeReporter;
  readonly trust: TrustView;
  readonly clock: Clock;
  /** Sends requests unsealed where the control document says fallback; otherwise they are refused. */
  readonly fallbackAllowed: boolean;
  readonly acceptTimeoutMs: number;
  readonly exchanges: Slots<RequestExchange>;
  readonly metrics: ExchangeMetrics;
}

export interface ExchangeMetrics {
  /** Counts the end of one exchange. */
  exchanged(message: Pick<RequestMessage, "subject" | "provider">, result: ExchangeResult): void;
}

export interface AttemptOptions {
  readonly request: RequestOptions;
  readonly requestId: string;
  readonly deadline: Deadline;
  readonly envelopesMax: number;
}

const BUSY_PAUSE = { firstMs: 10, maxMs: 500 };
const EPOCH_PAUSE_MS = 100;
/** Longer than the replay guards need to begin an epoch. */
const EPOCH_WAIT_MS_MAX = 3000;
/** How much earlier than this process a gateway can hold a control document. */
const SWITCH_WAIT_MS_MAX = 1000;

/**
 * Tries one provider. An envelope is never sent twice: a retry seals a fresh one under the same request id. For one run.
 */
export class Attempt {
  readonly #ports: AttemptPorts;
  readonly #request: RequestOptions;
  readonly #requestId: string;
  readonly #deadline: Deadline;
  readonly #envelopesMax: number;
  #envelopes = 0;
  #sealMs = 0;
  /** The last one that was sent. */
  #message: RequestMessage | undefined;
  #sentAt = 0;
  /** The time that was left at `#sentAt`. */
  #givenMs = 0;
  /** `#sentAt` of the first message since which no gateway has responded. */
  #silentFrom = 0;
  /** A gateway has accepted or answered `#message`. */
  #hasResponse = false;
  #wasSilent = false;
  #hasRetriedForEpoch = false;
  /** The epoch of a refused envelope, if the replay guards then confirmed it. */
  #refusedEpoch: string | undefined;

  constructor(ports: AttemptPorts, { request, requestId, deadline, envelopesMax }: AttemptOptions) {
    this.#ports = ports;
    this.#request = request;
    this.#requestId = requestId;
    this.#deadline = deadline;
    this.#envelopesMax = envelopesMax;
  }

  /** Sent so far; also valid after a failed run. */
  get envelopes(): number {
    return this.#envelopes;
  }

  get sealMs(): number {
    return this.#sealMs;
  }

  /** Runs the attempt and reports its outcome. @throws ScbeError see `Client.request` */
  async run(): Promise<RequestReply> {
    const startedAt = performance.now();
    try {
      const answer = await this.#sendUntilAnswered();
      const { expects } = this.#request;
      const result = expects === undefined ? "ok" : judge(answer, performance.now() - this.#sentAt, expects);
      this.#report(result, startedAt);
      if (!isUsable(result)) throw badAnswer(this.#request.provider, result);
      return answer;
    } catch (error) {
      const result = isScbeError(error) ? resultOf(error.code) : undefined;
      if (result !== undefined) this.#report(result, startedAt);
      throw error;
    }
  }

  async #sendUntilAnswered(): Promise<RequestReply> {
    for (;;) {
      this.#deadline.assert();
      const { provider } = this.#request;
      const { control, fallbackAllowed } = this.#ports;
      const route = resolveRoute(control, { provider, requestId: this.#requestId, fallbackAllowed });
      if (this.#envelopes >= this.#envelopesMax) throw this.#notTaken();
      const message = this.#createMessage(route);
      const outcome = await this.#exchange(message);
      if (outcome.kind === "answered") return this.#unwrap(outcome.answer);
      await this.#prepareNext(outcome, route, message);
    }
  }

  #createMessage(route: ResolvedRoute): RequestMessage {
    const startedAt = performance.now();
    const Kind = route === "sealed" ? SealedMessage : UnsealedMessage;
    const message = new Kind(this.#request, this.#requestId, this.#ports);
    this.#sealMs += performance.now() - startedAt;
    return message;
  }

  async #exchange(message: RequestMessage): Promise<ExchangeOutcome> {
    const { bus, acceptTimeoutMs, exchanges, metrics } = this.#ports;
    this.#envelopes += 1;
    this.#message = message;
    this.#sentAt = performance.now();
    this.#givenMs = this.#deadline.leftMs;
    if (!this.#wasSilent) this.#silentFrom = this.#sentAt;
    this.#hasResponse = false;
    const onResponse = this.#onResponse;
    const options = {
      bus,
      message,
      deadline: this.#deadline,
      acceptTimeoutMs,
      open: exchanges,
      onResponse,
    };
    try {
      const outcome = await exchangeMessage(options);
      metrics.exchanged(message, outcome.kind);
      return outcome;
    } catch (error) {
      metrics.exchanged(message, "failed");
      throw error;
    }
  }

  readonly #onResponse = (): void => {
    this.#hasResponse = true;
    if (this.#message instanceof SealedMessage)
      this.#ports.reporter.responded(this.#request.provider, performance.now() - this.#sentAt);
  };

  /** @throws ScbeError the problem that the answer carries, if it is one */
  #unwrap(answer: RequestReply): RequestReply {
    const problem = answer.contentType === PROBLEM_MEDIA_TYPE ? decodeProblem(answer.body) : undefined;
    if (answer.header !== undefined) {
      // A handler's TIMEOUT does not show how long an answer takes.
      const ms = problem?.code === "TIMEOUT" ? undefined : performance.now() - this.#sentAt;
      this.#ports.reporter.answered(this.#request.provider, this.#request, ms);
    }
    if (problem !== undefined) throw problem;
    return answer;
  }

  /** Returns when the next envelope can go out. @throws ScbeError if none is worth sending */
  async #prepareNext(
    { kind }: ExchangeOutcome,
    route: ResolvedRoute,
    message: RequestMessage,
  ): Promise<void> {
    switch (kind) {
      case "silent":
        this.#wasSilent = true;
        return;
      case "busy":
        await this.#pause();
        return;
      case "switched_off":
        this.#wasSilent = true;
        if (!(await this.#awaitRouteChange(route))) throw switchedOff(this.#request.provider);
        return;
      case "refused":
        if (this.#hasRouteChanged(route)) return;
        if (!(await this.#hasEpochChanged(message))) throw refused();
        if (this.#deadline.leftMs <= 0) throw refused();
        this.#hasRetriedForEpoch = true;
    }
  }

  async #pause(): Promise<void> {
    const pauseMs = backoffMs(this.#envelopes, Math.random(), BUSY_PAUSE);
    const isLast = this.#envelopes >= this.#envelopesMax;
    if (isLast || pauseMs >= this.#deadline.leftMs) throw this.#notTaken();
    await this.#deadline.during(pauseMs);
  }

  #hasRouteChanged(route: ResolvedRoute): boolean {
    return this.#ports.control.route(this.#request.provider, this.#requestId).way !== route;
  }

  /** The gateway can hold a newer control document: waits until this process has it, too. */
  async #awaitRouteChange(route: ResolvedRoute): Promise<boolean> {
    if (this.#hasRouteChanged(route)) return true;
    const { promise, resolve } = Promise.withResolvers<true>();
    using _listener = this.#ports.control.onChange(() => {
      if (this.#hasRouteChanged(route)) resolve(true);
    });
    return (await this.#deadline.during(SWITCH_WAIT_MS_MAX, promise)) === true;
  }

  /** Fetches the epoch from the replay guards, once per attempt: a refused envelope can be of an ended epoch. */
  async #hasEpochChanged(message: RequestMessage): Promise<boolean> {
    if (!(message instanceof SealedMessage)) return false;
    const { epoch } = message.sealed.header;
    const isConfirmed = this.#hasRetriedForEpoch || (await this.#fetchEpoch());
    const isSame = textOf(this.#ports.epochs.current()) === epoch;
    if (isConfirmed && isSame) this.#refusedEpoch = epoch;
    return !isSame && !this.#hasRetriedForEpoch;
  }

  /** Retries while the guards begin an epoch. True if one has answered. */
  async #fetchEpoch(): Promise<boolean> {
    const { epochs } = this.#ports;
    recordedSpan()?.addEvent("fetching the epoch from the replay guards");
    const until = performance.now() + Math.min(this.#deadline.leftMs, EPOCH_WAIT_MS_MAX);
    const leftMs = (): number => until - performance.now();
    while (leftMs() > 0) {
      if ((await this.#deadline.during(leftMs(), epochs.ask())) === true) return true;
      await this.#deadline.during(Math.min(leftMs(), EPOCH_PAUSE_MS));
    }
    return false;
  }

  /** Only for a sealed message: any process can have answered an unsealed one. */
  #report(result: OutcomeResult, startedAt: number): void {
    const message = this.#message;
    if (!(message instanceof SealedMessage)) return;
    const { reporter } = this.#ports;
    const { provider, intent, model, expects } = this.#request;
    const latencyMs = performance.now() - startedAt;
    const outcome = { provider, intent, model, requestId: this.#requestId, latencyMs };
    if (result === "refused") reporter.refused(outcome, this.#refusedEpoch);
    else if (result === "timeout") reporter.timedOut(outcome, this.#wait(message));
    else if (result === "latency") reporter.late(outcome, expects?.withinMs ?? 0);
    else reporter.note({ ...outcome, result });
  }

  #wait({ hasUnopened }: SealedMessage): Wait {
    if (this.#hasResponse) return { of: "answer", givenMs: this.#givenMs, isUnopened: hasUnopened };
    return { of: "response", givenMs: performance.now() - this.#silentFrom, isUnopened: hasUnopened };
  }

  /** After BUSY nothing was opened; a silent gateway can have opened its envelope. */
  #notTaken(): ScbeError {
    const { provider } = this.#request;
    return this.#wasSilent
      ? new ScbeError("TIMEOUT", `no gateway of ${provider} took the request in time`)
      : new ScbeError("BUSY", `every gateway of ${provider} that was tried was full`);
  }
}

function textOf(epoch: Uint8Array | undefined): string | undefined {
  return epoch && Buffer.from(epoch).toString("base64url");
}

function badAnswer(provider: string, result: OutcomeResult): ScbeError {
  return new ScbeError("BAD_ANSWER", `the answer of ${provider} is not as expected: ${result}`);
}

function refused(): ScbeError {
  return new ScbeError("REFUSED", "the gateway refused the envelope and gives no reason");
}

/** The gateway can have carried the request out before. */
function switchedOff(provider: string): ScbeError {
  return new ScbeError("SWITCHED_OFF", `a gateway of ${provider} reports that it is switched off`);
}
