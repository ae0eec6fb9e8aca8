import { randomUUID } from "node:crypto";
import { isUint8Array } from "node:util/types";
import { decodeProblem, isScbeError, PROBLEM_MEDIA_TYPE, ScbeError } from "@scbe/contracts";
import type { OpenedResponse, Opener, SealedRequest, Sealer } from "@scbe/envelope";
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
  withSpan,
} from "@scbe/service-kit";
import { type FlightOptions, fly, type Landing } from "./flight.ts";
import { Patience } from "./patience.ts";
import type { Answer, RequestOptions } from "./request-options.ts";
import { type ShownRequests, showRequests } from "./show-requests.ts";
import type { EpochFollower } from "./verifier/index.ts";

export interface RequesterPorts {
  readonly bus: Bus;
  readonly sealer: Sealer;
  readonly opener: Opener;
  readonly epochs: EpochFollower;
  readonly metrics: Registry;
  readonly providers: readonly string[];
  readonly acceptTimeoutMs: number;
  readonly timeoutMsMax: number;
}

/** Envelopes for one request, whatever the reasons for another one. */
const ENVELOPES_MAX = 32;
const BUSY_PAUSE = { firstMs: 10, maxMs: 500 };
const EPOCH_PAUSE_MS = 100;
/** How long the guards may take to answer for the epoch in force: longer than they need to begin one. */
const EPOCH_WAIT_MS_MAX = 3000;
const SEAL = { attributes: { [ATTRIBUTES.phase]: "request" } };

/**
 * Sends requests. An envelope is never sent twice: whatever is tried again is sealed again, under the same request id.
 * Disposing ends those that are open, and tells their gateways.
 */
export class Requester implements Disposable {
  readonly #ports: RequesterPorts;
  readonly #open = new Slots<Patience>();
  readonly #shown: ShownRequests;
  #closed = false;

  constructor(ports: RequesterPorts) {
    this.#ports = ports;
    this.#shown = showRequests(ports.metrics, ports.providers, () => this.#open.size);
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
    this.#shown[Symbol.dispose]();
  }

  async #send(options: RequestOptions, requestId: string, patience: Patience): Promise<Answer> {
    const { bus, opener, acceptTimeoutMs } = this.#ports;
    const started = performance.now();
    let sealMs = 0;
    let wasSilent = false;
    let hasAskedForEpoch = false;
    for (let envelopes = 1; envelopes <= ENVELOPES_MAX; envelopes += 1) {
      patience.assert();
      const sealing = performance.now();
      const sealed = this.#seal(options, requestId);
      sealMs += performance.now() - sealing;
      const landing = await this.#fly({ bus, opener, sealed, patience, acceptTimeoutMs });
      switch (landing.kind) {
        case "answered": {
          const roundTripMs = performance.now() - started;
          return toAnswer(landing.response, { requestId, envelopes, sealMs, roundTripMs });
        }
        case "silent":
          wasSilent = true;
          break;
        case "busy": {
          const pauseMs = backoffMs(envelopes, Math.random(), BUSY_PAUSE);
          if (pauseMs >= patience.leftMs) throw notTaken(options.provider, wasSilent);
          await patience.during(pauseMs);
          break;
        }
        case "refused":
          if (hasAskedForEpoch || !(await this.#hasEpochChanged(sealed, patience))) throw refused();
          if (patience.leftMs <= 0) throw refused();
          hasAskedForEpoch = true;
      }
    }
    throw notTaken(options.provider, wasSilent);
  }

  async #fly(options: FlightOptions): Promise<Landing> {
    const { provider } = options.sealed.header;
    try {
      const landing = await fly(options);
      this.#shown.landed(provider, landing.kind);
      return landing;
    } catch (error) {
      this.#shown.landed(provider, "failed");
      throw error;
    }
  }

  #seal(options: RequestOptions, requestId: string): SealedRequest {
    return withSpan("scbe.seal", SEAL, (span) => {
      const sealed = this.#sealBytes(options, requestId);
      span.setAttribute(ATTRIBUTES.kid, sealed.header.kid);
      return sealed;
    });
  }

  #sealBytes(options: RequestOptions, requestId: string): SealedRequest {
    const { provider, model, intent, body, contentType, schemaHash } = options;
    return this.#ports.sealer.sealRequest({
      provider,
      model,
      intent,
      requestId,
      body,
      ...(contentType !== undefined && { contentType }),
      ...(schemaHash !== undefined && { schemaHash }),
    });
  }

  /** Asks the guards, who may be at beginning an epoch just now, and so may have to be asked again. */
  async #hasEpochChanged(sealed: SealedRequest, patience: Patience): Promise<boolean> {
    const { epochs } = this.#ports;
    recordedSpan()?.addEvent("the guards are asked for the epoch in force");
    const until = performance.now() + Math.min(patience.leftMs, EPOCH_WAIT_MS_MAX);
    const leftMs = (): number => until - performance.now();
    while (leftMs() > 0 && (await patience.during(leftMs(), epochs.ask())) !== true) {
      await patience.during(Math.min(leftMs(), EPOCH_PAUSE_MS));
    }
    return !isSame(epochs.current(), sealed.header.epoch);
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
  response: OpenedResponse,
  facts: Pick<Answer, "requestId" | "envelopes" | "sealMs" | "roundTripMs">,
): Answer {
  const { header, body } = response;
  if (header.content_type === PROBLEM_MEDIA_TYPE) throw decodeProblem(body);
  return { body, contentType: header.content_type, header, ...facts };
}

function refused(): ScbeError {
  return new ScbeError("REFUSED", "the gateway refused the envelope; it tells nobody why");
}

/** BUSY says that nothing was opened; a gateway that was silent may have opened its envelope. */
function notTaken(provider: string, wasSilent: boolean): ScbeError {
  if (wasSilent) return new ScbeError("TIMEOUT", `no gateway of ${provider} took the request in time`);
  return new ScbeError("BUSY", `every gateway of ${provider} that was asked was full`);
}

function closed(): ScbeError {
  return new ScbeError("ABORTED", "the client is closed");
}
