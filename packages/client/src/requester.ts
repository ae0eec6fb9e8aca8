import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { decodeProblem, PROBLEM_MEDIA_TYPE, ScbeError } from "@scbe/contracts";
import type { OpenedResponse, Opener, SealedRequest, Sealer } from "@scbe/envelope";
import type { Bus } from "@scbe/service-kit";
import { fly } from "./flight.ts";
import type { Answer, RequestOptions } from "./request-options.ts";
import { backoffMs, type EpochFollower } from "./verifier/index.ts";

export interface RequesterPorts {
  readonly bus: Bus;
  readonly sealer: Sealer;
  readonly opener: Opener;
  readonly epochs: EpochFollower;
  readonly acceptTimeoutMs: number;
  readonly timeoutMsMax: number;
}

/** Envelopes for one request, whatever the reasons for another one. */
const ENVELOPES_MAX = 32;
const BUSY_PAUSE = { firstMs: 10, maxMs: 500 };
const EPOCH_PAUSE_MS = 100;
/** How long the guards may take to answer for the epoch in force: longer than they need to begin one. */
const EPOCH_WAIT_MS_MAX = 3000;

/** Sends requests. An envelope is never sent twice: whatever is tried again is sealed again, under the same request id. */
export class Requester {
  readonly #ports: RequesterPorts;

  constructor(ports: RequesterPorts) {
    this.#ports = ports;
  }

  /** See `Client.request`. */
  async request(options: RequestOptions): Promise<Answer> {
    const { bus, opener, acceptTimeoutMs, timeoutMsMax } = this.#ports;
    const started = performance.now();
    const deadline = started + timeoutOf(options, timeoutMsMax);
    const { signal } = options;
    const requestId = options.requestId ?? randomUUID();
    let sealMs = 0;
    let hasAskedForEpoch = false;
    for (let envelopes = 1; envelopes <= ENVELOPES_MAX; envelopes += 1) {
      const sealing = performance.now();
      const sealed = this.#seal(options, requestId);
      const sent = performance.now();
      sealMs += sent - sealing;
      const landing = await fly({ bus, opener, sealed, leftMs: deadline - sent, acceptTimeoutMs, signal });
      switch (landing.kind) {
        case "answered": {
          const roundTripMs = performance.now() - started;
          return toAnswer(landing.response, { requestId, envelopes, sealMs, roundTripMs });
        }
        case "silent":
          break;
        case "busy":
          await pause(backoffMs(envelopes, Math.random(), BUSY_PAUSE), deadline, signal);
          break;
        case "refused":
          if (hasAskedForEpoch || !(await this.#hasEpochChanged(sealed, deadline, signal))) throw refused();
          hasAskedForEpoch = true;
      }
    }
    throw new ScbeError("BUSY", `no gateway of ${options.provider} took any of ${ENVELOPES_MAX} envelopes`);
  }

  #seal(options: RequestOptions, requestId: string): SealedRequest {
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
  async #hasEpochChanged(
    sealed: SealedRequest,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const { epochs } = this.#ports;
    const until = Math.min(deadline, performance.now() + EPOCH_WAIT_MS_MAX);
    while (!(await epochs.ask())) await pause(EPOCH_PAUSE_MS, until, signal);
    return !isSame(epochs.current(), sealed.header.epoch);
  }
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

/** @throws ScbeError TIMEOUT when the pause would outlast `until`, ABORTED */
async function pause(ms: number, until: number, signal: AbortSignal | undefined): Promise<void> {
  if (performance.now() + ms >= until) {
    throw new ScbeError("TIMEOUT", "no gateway took the request within the deadline");
  }
  try {
    await delay(ms, undefined, signal && { signal });
  } catch {
    throw new ScbeError("ABORTED", "the request was given up by its caller");
  }
}

function refused(): ScbeError {
  return new ScbeError("REFUSED", "the gateway refused the envelope; it tells nobody why");
}
