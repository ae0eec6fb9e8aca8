import { setTimeout as delay } from "node:timers/promises";
import type { Handler } from "@scbe/client";
import { createLogger } from "@scbe/service";
import { type RawArrival, type RawGateway, rawGateway, withBadTag } from "./raw-clients.ts";
import type { System } from "./system.ts";

/** A gateway that answers each request with its id, except while `isBad`. */
export interface FaultyGateway extends AsyncDisposable {
  isBad: boolean;
  /** The ids of the requests that reached it, in order, with times in ms since the Unix epoch. */
  readonly reached: readonly { readonly requestId: string; readonly at: number }[];
}

/** A fault of a gateway that uses the client. */
export interface BadHandler {
  readonly handler: Handler;
}

/** A fault of a gateway that makes its own envelopes. */
export interface BadScript {
  script(gateway: RawGateway, arrival: RawArrival, before: Before): void;
}

/** The last good answer. */
export interface Before {
  /** The sealed response that was sent. */
  readonly response: Buffer;
  readonly arrival: RawArrival;
}

export type Bad = BadHandler | BadScript;

/** Starts a gateway for a provider. */
export function faultyGateway(system: System, provider: string, bad: Bad): Promise<FaultyGateway> {
  return "script" in bad ? faultyRaw(system, provider, bad) : faultyClient(system, provider, bad);
}

export const throwing: BadHandler = { handler: () => Promise.reject(new Error("no credit left")) };
export const hanging: BadHandler = {
  handler: ({ signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
};
export const empty: BadHandler = {
  handler: () => ({ body: Buffer.from("null"), contentType: "application/json" }),
};

/** Seals the answer to the request, with a wrong tag. */
export const forging: BadScript = {
  script: (gateway, arrival) =>
    gateway.answer(arrival, withBadTag(gateway.seal(arrival, textFor(arrival.header.request_id)))),
};

/** Answers correctly, but late. */
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

/** The body of a good answer. */
export function textFor(requestId: string): string {
  return JSON.stringify({ id: requestId });
}

async function faultyClient(system: System, provider: string, bad: BadHandler): Promise<FaultyGateway> {
  await using stack = new AsyncDisposableStack();
  const log = createLogger({ name: `gateway-${provider}`, level: "silent" });
  const client = stack.use(await system.gateway(provider, { log }));
  const gateway = goodGateway(() => client[Symbol.asyncDispose]());
  await client.serve({
    provider,
    drainMs: 0,
    handler: (call) => {
      gateway.reached.push({ requestId: call.header.request_id, at: Date.now() });
      return gateway.isBad ? bad.handler(call) : goodHandler(call);
    },
  });
  stack.move();
  return gateway;
}

async function faultyRaw(system: System, provider: string, bad: BadScript): Promise<FaultyGateway> {
  const gateway = goodGateway(() => raw[Symbol.asyncDispose]());
  let before: Before | undefined;
  const raw = await rawGateway(system, provider, (sealer, arrival) => {
    const { request_id: requestId } = arrival.header;
    gateway.reached.push({ requestId, at: Date.now() });
    if (gateway.isBad && before !== undefined) {
      bad.script(sealer, arrival, before);
      return;
    }
    const response = sealer.seal(arrival, textFor(requestId));
    before = { response, arrival };
    sealer.answer(arrival, response);
  });
  return gateway;
}

function goodGateway(end: () => PromiseLike<void>) {
  return {
    isBad: false,
    reached: [] as { requestId: string; at: number }[],
    [Symbol.asyncDispose]: end,
  };
}
