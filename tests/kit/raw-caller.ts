import type { Bus, BusHeaders, BusMessage } from "@scbe/bus";
import { clientConfig } from "@scbe/client";
import { HEADERS, STATUS, subjectOf } from "@scbe/contracts";
import { type Clock, readConfig } from "@scbe/runtime";
import { createTestHost, eventually } from "@scbe/testkit";
import { openVerifier, type Verifier } from "@scbe/verifier";
import type { System } from "./system.ts";

/** What came back, and when. */
export interface RawAnswer {
  readonly status: string | undefined;
  readonly data: Uint8Array;
  readonly afterMs: number;
}

/** An orchestrator that holds its envelopes in its own hands: it can alter them and send them as often as it likes. */
export interface RawCaller extends AsyncDisposable {
  readonly bus: Bus;
  readonly verifier: Verifier;
  /** Sends any bytes as a request; the first answer that is not `accepted`. */
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

const TIMEOUT_MS = 5000;

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
    const timer = setTimeout(() => reject(new Error(`no answer within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
  });
}
