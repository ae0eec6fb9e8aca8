import { hash } from "node:crypto";
import type { Bus, BusHeaders, BusMessage } from "@scbe/bus";
import { clientConfig } from "@scbe/client";
import { HEADERS, patternOf, QUEUES, STATUS, type SubjectKind, subjectOf } from "@scbe/contracts";
import type { RequestHeader } from "@scbe/envelope";
import { type Clock, readConfig } from "@scbe/runtime";
import { createTestHost, eventually } from "@scbe/testkit";
import { openVerifier, type Verifier } from "@scbe/verifier";
import { headerOf } from "./known-keys.ts";
import type { System } from "./system.ts";

/** A reply, and its delay. */
export interface RawAnswer {
  readonly status: string | undefined;
  readonly data: Uint8Array;
  readonly afterMs: number;
}

/** An orchestrator that seals its own envelopes, and can alter and repeat them. */
export interface RawCaller extends AsyncDisposable {
  readonly bus: Bus;
  readonly verifier: Verifier;
  /** Sends any bytes as a request. @returns the first reply that is not `accepted` */
  send(provider: string, bytes: Uint8Array, headers?: BusHeaders): Promise<RawAnswer>;
}

export async function rawCaller(system: System, clock?: Clock): Promise<RawCaller> {
  await using stack = new AsyncDisposableStack();
  const transport = system.transport("orchestrator");
  const host = stack.use(await createTestHost({ transport, name: "orchestrator", ...(clock && { clock }) }));
  const reading = readConfig(clientConfig, system.variables);
  if (!reading.ok) throw new Error(reading.problems.join("\n"));
  const verifier = stack.use(openVerifier(host, reading.config, { as: "orchestrator" }));
  await eventually(() => host.readiness.ready);
  const held = stack.move();
  return {
    bus: host.bus,
    verifier,
    send: (provider, bytes, headers = {}) => sendRaw(host.bus, provider, bytes, headers),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

const RAW_TIMEOUT_MS = 5000;

function sendRaw(bus: Bus, provider: string, bytes: Uint8Array, headers: BusHeaders): Promise<RawAnswer> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const exchange = bus.exchange(subjectOf("request", { user: bus.user, provider }), bytes, {
      headers,
      onAnswer: (message: BusMessage) => {
        const status = message.header(HEADERS.status);
        if (status === STATUS.accepted) return;
        clearTimeout(timer);
        exchange[Symbol.dispose]();
        resolve({ status, data: message.data, afterMs: performance.now() - started });
      },
      onFailure: (error) => {
        clearTimeout(timer);
        reject(error);
      },
    });
    const timer = setTimeout(
      () => reject(new Error(`no answer within ${RAW_TIMEOUT_MS} ms`)),
      RAW_TIMEOUT_MS,
    );
  });
}

/** A received envelope. */
export interface RawArrival {
  readonly header: RequestHeader;
  /** The hash to which a response is bound. */
  readonly hash: Uint8Array;
  /** The reply subject. */
  readonly replyTo: string;
}

/** A gateway that seals its own responses. */
export interface RawGateway extends AsyncDisposable {
  /** Seals a response to a request. */
  seal(to: RawArrival, body: string): Buffer;
  /** Sends any bytes in answer to a request; the default status is `sealed`. */
  answer(to: RawArrival, data: Uint8Array, status?: string): void;
}

/** Starts a gateway with the provider's credentials. It opens nothing: it accepts each request, and `script` answers it. */
export async function rawGateway(
  system: System,
  provider: string,
  script: (gateway: RawGateway, arrival: RawArrival) => void,
): Promise<RawGateway> {
  await using stack = new AsyncDisposableStack();
  const name = `gateway-${provider}`;
  const host = stack.use(await createTestHost({ transport: system.transport(name), name }));
  const reading = readConfig(clientConfig, { ...system.variables, SCBE_PROVIDERS: provider });
  if (!reading.ok) throw new Error(reading.problems.join("\n"));
  const { sealer } = stack.use(openVerifier(host, reading.config, { as: "gateway" }));
  await eventually(() => host.readiness.ready, { timeoutMs: 20_000 });
  const answer: RawGateway["answer"] = ({ replyTo }, data, status = STATUS.sealed) =>
    host.bus.publish(replyTo, data, { [HEADERS.status]: status });
  const held = stack.move();
  const gateway: RawGateway = {
    seal: (request, body) =>
      Buffer.from(
        sealer.sealResponse({ request, body: Buffer.from(body), contentType: "application/json" }).bytes,
      ),
    answer,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
  const arrived = (data: Uint8Array, replyTo: string): void => {
    const arrival = { header: headerOf(data), hash: hash("sha256", data, "buffer"), replyTo };
    answer(arrival, Buffer.alloc(0), STATUS.accepted);
    script(gateway, arrival);
  };
  held.use(
    host.bus.subscribe(patternOf("request", { provider }), ({ data, reply = "" }) => arrived(data, reply), {
      queue: QUEUES.gateways,
    }),
  );
  await host.bus.flush();
  return gateway;
}

/** A copy with one bit of the last byte flipped; in an envelope, this is the tag. */
export function withBadTag(bytes: Buffer): Buffer {
  const altered = Buffer.from(bytes);
  altered.writeUInt8(altered.readUInt8(altered.length - 1) ^ 1, altered.length - 1);
  return altered;
}

/** The four requests to the envelope service. */
export type ServiceRequest = Extract<
  SubjectKind,
  "sealRequest" | "openRequest" | "sealResponse" | "openResponse"
>;

/** A user of the bus that calls the envelope service. */
export interface ServiceCaller extends AsyncDisposable {
  readonly bus: Bus;
  /** @throws ScbeError of the reply's service error */
  call(kind: ServiceRequest, data: Uint8Array, headers?: BusHeaders, intent?: string): Promise<BusMessage>;
}

const TIMEOUT_MS = 10_000;

/** Connects as `user`, with requests about one provider, by default openai. */
export async function connectServiceCaller(
  system: System,
  user: string,
  provider = "openai",
): Promise<ServiceCaller> {
  const host = await createTestHost({ transport: system.transport(user), name: user });
  return {
    bus: host.bus,
    call: (kind, data, headers = {}, intent = "chat") =>
      host.bus.request(subjectOf(kind, { user, provider, intent }), data, {
        timeoutMs: TIMEOUT_MS,
        headers,
      }),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}
