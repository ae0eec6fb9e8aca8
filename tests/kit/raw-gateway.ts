import { hash } from "node:crypto";
import { clientConfig } from "@scbe/client";
import { HEADERS, patternOf, QUEUES, STATUS } from "@scbe/contracts";
import type { RequestHeader } from "@scbe/envelope";
import { readConfig } from "@scbe/runtime";
import { createTestHost, eventually } from "@scbe/testkit";
import { openVerifier } from "@scbe/verifier";
import { headerOf } from "./forge.ts";
import type { System } from "./system.ts";

/** An envelope that has arrived. */
export interface RawArrival {
  readonly header: RequestHeader;
  /** What a response to it is bound to. */
  readonly hash: Uint8Array;
  /** Where its answer goes. */
  readonly replyTo: string;
}

/** What a gateway can do that holds its envelopes in its own hands. */
export interface RawGateway extends AsyncDisposable {
  /** A response that is bound to a request. */
  seal(to: RawArrival, body: string): Buffer;
  /** Sends any bytes as the sealed response to a request, unless told another status. */
  answer(to: RawArrival, data: Uint8Array, status?: string): void;
}

/** A gateway with the provider's own credentials, which opens nothing: `script` says what each request gets, once it was told `accepted`. */
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

/** The bytes with one bit of the last one flipped: of an envelope, its tag. */
export function withBadTag(bytes: Buffer): Buffer {
  const altered = Buffer.from(bytes);
  altered.writeUInt8(altered.readUInt8(altered.length - 1) ^ 1, altered.length - 1);
  return altered;
}
