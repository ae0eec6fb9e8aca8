import { setTimeout as delay } from "node:timers/promises";
import type { Handler } from "@scbe/client";
import { createLogger } from "@scbe/service";
import { type RawArrival, type RawGateway, rawGateway, withBadTag } from "./raw-clients.ts";
import type { System } from "./system.ts";

/** A gateway that answers each request with its id, until it is told to be bad at it. */
export interface TurningGateway extends AsyncDisposable {
  isBad: boolean;
  /** Ids of the requests that have reached it, in order, and when, in ms since the Unix epoch. */
  readonly reached: readonly { readonly requestId: string; readonly at: number }[];
}

/** What a gateway of the client's does instead of answering. */
export interface BadHandler {
  readonly handler: Handler;
}

/** What a gateway does with its envelopes that has its keys in its own hands. */
export interface BadScript {
  script(gateway: RawGateway, arrival: RawArrival, before: Before): void;
}

/** Of the requests that were answered well. */
export interface Before {
  /** A sealed response that has been sent. */
  readonly response: Buffer;
  readonly arrival: RawArrival;
}

export type Bad = BadHandler | BadScript;

/** Starts one for a provider. */
export function turningGateway(system: System, provider: string, bad: Bad): Promise<TurningGateway> {
  return "script" in bad ? turningRaw(system, provider, bad) : turningClient(system, provider, bad);
}

export const throwing: BadHandler = { handler: () => Promise.reject(new Error("no credit left")) };
export const hanging: BadHandler = {
  handler: ({ signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
};
export const empty: BadHandler = {
  handler: () => ({ body: Buffer.from("null"), contentType: "application/json" }),
};

/** Seals the answer to the very request, under a tag that does not hold. */
export const forging: BadScript = {
  script: (gateway, arrival) =>
    gateway.answer(arrival, withBadTag(gateway.seal(arrival, textFor(arrival.header.request_id)))),
};

/** Answers as it should, and later than it should. */
export function late(ms: number): BadHandler {
  return {
    handler: async (call) => {
      await delay(ms);
      return goodHandler(call);
    },
  };
}

const goodHandler: Handler = ({ header }) => ({
  body: Buffer.from(textFor(header.request_id)),
  contentType: "application/json",
});

/** What a good answer to a request says. */
export function textFor(requestId: string): string {
  return JSON.stringify({ id: requestId });
}

async function turningClient(system: System, provider: string, bad: BadHandler): Promise<TurningGateway> {
  await using stack = new AsyncDisposableStack();
  const log = createLogger({ name: `gateway-${provider}`, level: "silent" });
  const client = stack.use(await system.gateway(provider, { log }));
  const reached: { requestId: string; at: number }[] = [];
  let isBad = false;
  await client.serve({
    provider,
    drainMs: 0,
    handler: (call) => {
      reached.push({ requestId: call.header.request_id, at: Date.now() });
      return isBad ? bad.handler(call) : goodHandler(call);
    },
  });
  const held = stack.move();
  return {
    reached,
    get isBad() {
      return isBad;
    },
    set isBad(value) {
      isBad = value;
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function turningRaw(system: System, provider: string, bad: BadScript): Promise<TurningGateway> {
  const reached: { requestId: string; at: number }[] = [];
  let isBad = false;
  let before: Before | undefined;
  const raw = await rawGateway(system, provider, (gateway, arrival) => {
    const { request_id: requestId } = arrival.header;
    reached.push({ requestId, at: Date.now() });
    if (isBad && before !== undefined) {
      bad.script(gateway, arrival, before);
      return;
    }
    const response = gateway.seal(arrival, textFor(requestId));
    before = { response, arrival };
    gateway.answer(arrival, response);
  });
  return {
    reached,
    get isBad() {
      return isBad;
    },
    set isBad(value) {
      isBad = value;
    },
    [Symbol.asyncDispose]: () => raw[Symbol.asyncDispose](),
  };
}
