import { randomUUID } from "node:crypto";
import { isUint8Array } from "node:util/types";
import { type Common, decodeProblem, isScbeError, PROBLEM_MEDIA_TYPE, ScbeError } from "@scbe/contracts";
import type { Opener, Sealer } from "@scbe/envelope";
import {
  ATTRIBUTES,
  type Bus,
  backoffMs,
  beginSpan,
  describeRequest,
  failSpan,
  inSpan,
  type Registry,
  recordedSpan,
  Slots,
  type Span,
  traceIdOf,
} from "@scbe/service-kit";
import type { Cargo, CargoAnswer } from "./cargo.ts";
import { type Flight, fly, type Landing } from "./flight.ts";
import { Patience } from "./patience.ts";
import type { Answer, RequestOptions } from "./request-options.ts";
import { SealedCargo } from "./sealed-cargo.ts";
import { type ShownRequests, showRequests } from "./show-requests.ts";
import { UnsealedCargo } from "./unsealed-cargo.ts";
import type { ControlView, EpochFollower } from "./verifier/index.ts";
import { type Way, wayOf } from "./way-of.ts";

export interface RequesterPorts {
  readonly bus: Bus;
  readonly sealer: Sealer;
  readonly opener: Opener;
  readonly epochs: EpochFollower;
  readonly control: ControlView;
  readonly metrics: Registry;
  /** What the client may ask for. */
  readonly common: Common;
  /** What the control document sends to fallback goes unsealed; else it is refused. */
  readonly fallbackAllowed: boolean;
  readonly acceptTimeoutMs: number;
  readonly timeoutMsMax: number;
}

/** Tries of one request, whatever the reasons for another one. */
const TRIES_MAX = 32;
const BUSY_PAUSE = { firstMs: 10, maxMs: 500 };
const EPOCH_PAUSE_MS = 100;
/** How long the guards may take to answer for the epoch in force: longer than they need to begin one. */
const EPOCH_WAIT_MS_MAX = 3000;
/** How long a gateway may be ahead of this process in what the control document says. */
const SWITCH_WAIT_MS_MAX = 1000;

/**
 * Sends requests. An envelope is never sent twice: whatever is tried again is sealed again, under the same request id.
 * Disposing ends those that are open, and tells their gateways.
 */
export class Requester implements Disposable {
  readonly #ports: RequesterPorts;
  readonly #open = new Slots<Patience>();
  readonly #flights = new Slots<Flight>();
  readonly #following: Disposable;
  readonly #shown: ShownRequests;
  #closed = false;

  constructor(ports: RequesterPorts) {
    this.#ports = ports;
    this.#shown = showRequests(ports.metrics, ports.common.providers, () => this.#open.size);
    this.#following = ports.control.onChange(() => {
      for (const flight of this.#flights) flight.obey();
    });
  }

  /** See `Client.request`. */
  async request(options: RequestOptions): Promise<Answer> {
    const { provider, requestId = randomUUID() } = options;
    const startedAt = performance.now();
    const span = beginSpan("scbe.request");
    try {
      const answer = await inSpan(span, () => this.#request(options, requestId, span));
      this.#shown.ended(provider, performance.now() - startedAt);
      return answer;
    } catch (error) {
      failSpan(span, error);
      this.#shown.ended(provider, performance.now() - startedAt, error);
      throw withRequestId(error, requestId);
    } finally {
      span.end();
    }
  }

  async #request(options: RequestOptions, requestId: string, span: Span): Promise<Answer> {
    if (this.#closed) throw closed();
    if (!isUint8Array(options.body)) throw new ScbeError("BAD_REQUEST", "body must be a Uint8Array");
    const timeoutMs = timeoutOf(options, this.#ports.timeoutMsMax);
    describeRequest(span, { ...options, requestId });
    using patience = new Patience({ timeoutMs, signal: options.signal, among: this.#open });
    const answer = await this.#send(options, requestId, patience);
    span.setAttribute(ATTRIBUTES.envelopes, answer.envelopes);
    const traceId = traceIdOf(span);
    return traceId === undefined ? answer : { ...answer, traceId };
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const patience of this.#open) patience.end(closed());
    this.#following[Symbol.dispose]();
    this.#shown[Symbol.dispose]();
  }

  async #send(options: RequestOptions, requestId: string, patience: Patience): Promise<Answer> {
    const { provider } = options;
    const started = performance.now();
    let sealMs = 0;
    let wasSilent = false;
    let hasAskedForEpoch = false;
    for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
      patience.assert();
      const way = this.#way(options, requestId);
      const sealing = performance.now();
      const cargo = this.#load(way, options, requestId);
      sealMs += performance.now() - sealing;
      const landing = await this.#fly(cargo, patience);
      switch (landing.kind) {
        case "answered": {
          const roundTripMs = performance.now() - started;
          return toAnswer(landing.answer, { requestId, envelopes: tries, sealMs, roundTripMs });
        }
        case "silent":
          wasSilent = true;
          break;
        case "busy": {
          const pauseMs = backoffMs(tries, Math.random(), BUSY_PAUSE);
          if (pauseMs >= patience.leftMs) throw notTaken(provider, wasSilent);
          await patience.during(pauseMs);
          break;
        }
        case "switched_off":
          wasSilent = true;
          if (!(await this.#isWayLeft(way, options, requestId, patience))) throw closedWay(provider);
          break;
        case "refused":
          if (this.#hasLeft(way, options, requestId)) break;
          if (hasAskedForEpoch || !(await this.#hasEpochChanged(cargo, patience))) throw refused();
          if (patience.leftMs <= 0) throw refused();
          hasAskedForEpoch = true;
      }
    }
    throw notTaken(provider, wasSilent);
  }

  #way({ provider }: RequestOptions, requestId: string): Way {
    return wayOf(this.#ports.control, { provider, requestId, fallbackAllowed: this.#ports.fallbackAllowed });
  }

  /** True when the way of a try is none any more. */
  #hasLeft(way: Way, { provider }: RequestOptions, requestId: string): boolean {
    return this.#ports.control.route(provider, requestId).way !== way;
  }

  /** A gateway may have heard of a switch before this process. */
  async #isWayLeft(
    way: Way,
    options: RequestOptions,
    requestId: string,
    patience: Patience,
  ): Promise<boolean> {
    if (this.#hasLeft(way, options, requestId)) return true;
    const { promise, resolve } = Promise.withResolvers<true>();
    using _following = this.#ports.control.onChange(() => {
      if (this.#hasLeft(way, options, requestId)) resolve(true);
    });
    return (await patience.during(SWITCH_WAIT_MS_MAX, promise)) === true;
  }

  #load(way: Way, options: RequestOptions, requestId: string): Cargo {
    return way === "sealed"
      ? new SealedCargo(options, requestId, this.#ports)
      : new UnsealedCargo(options, requestId, this.#ports);
  }

  async #fly(cargo: Cargo, patience: Patience): Promise<Landing> {
    const { bus, acceptTimeoutMs } = this.#ports;
    try {
      const landing = await fly({ bus, cargo, patience, acceptTimeoutMs, among: this.#flights });
      this.#shown.landed(cargo, landing.kind);
      return landing;
    } catch (error) {
      this.#shown.landed(cargo, "failed");
      throw error;
    }
  }

  /** Asks the guards, who may be at beginning an epoch just now, and so may have to be asked again. */
  async #hasEpochChanged(cargo: Cargo, patience: Patience): Promise<boolean> {
    if (!(cargo instanceof SealedCargo)) return false;
    const { epochs } = this.#ports;
    recordedSpan()?.addEvent("the guards are asked for the epoch in force");
    const until = performance.now() + Math.min(patience.leftMs, EPOCH_WAIT_MS_MAX);
    const leftMs = (): number => until - performance.now();
    while (leftMs() > 0 && (await patience.during(leftMs(), epochs.ask())) !== true) {
      await patience.during(Math.min(leftMs(), EPOCH_PAUSE_MS));
    }
    return !isSame(epochs.current(), cargo.sealed.header.epoch);
  }
}

/** Another error of the same code and text: the bus has one for all that were waiting when its connection was lost. */
function withRequestId(error: unknown, requestId: string): unknown {
  if (!isScbeError(error)) return error;
  const { code, message, cause } = error;
  return new ScbeError(code, message, { requestId, ...(cause !== undefined && { cause }) });
}

function isSame(epoch: Uint8Array | undefined, text: string): boolean {
  return epoch !== undefined && Buffer.from(epoch).toString("base64url") === text;
}

/** @throws ScbeError BAD_REQUEST */
function timeoutOf({ timeoutMs }: RequestOptions, max: number): number {
  if (timeoutMs === undefined) return max;
  if (timeoutMs > 0 && timeoutMs <= max) return timeoutMs;
  throw new ScbeError("BAD_REQUEST", `timeoutMs is ${timeoutMs}; it must be above 0 and at most ${max}`);
}

function toAnswer(
  answer: CargoAnswer,
  facts: Pick<Answer, "requestId" | "envelopes" | "sealMs" | "roundTripMs">,
): Answer {
  if (answer.contentType === PROBLEM_MEDIA_TYPE) throw decodeProblem(answer.body);
  return { ...answer, isSealed: answer.header !== undefined, ...facts };
}

function refused(): ScbeError {
  return new ScbeError("REFUSED", "the gateway refused the envelope; it tells nobody why");
}

/** BUSY says that nothing was opened; a gateway that was silent may have opened its envelope. */
function notTaken(provider: string, wasSilent: boolean): ScbeError {
  if (wasSilent) return new ScbeError("TIMEOUT", `no gateway of ${provider} took the request in time`);
  return new ScbeError("BUSY", `every gateway of ${provider} that was asked was full`);
}

/** The gateway may have carried it out before it was switched off. */
function closedWay(provider: string): ScbeError {
  return new ScbeError("SWITCHED_OFF", `a gateway of ${provider} says that it is switched off`);
}

function closed(): ScbeError {
  return new ScbeError("ABORTED", "the client is closed");
}
