import type { Bus, BusHeaders, BusMessage } from "@scbe/bus";
import { type SubjectKind, subjectOf } from "@scbe/contracts";
import { createTestHost } from "@scbe/testkit";
import type { System } from "./system.ts";

/** The four questions to the envelope service. */
export type ServiceRequest = Extract<
  SubjectKind,
  "sealRequest" | "openRequest" | "sealResponse" | "openResponse"
>;

/** A user of the bus that asks the envelope service. */
export interface Asker extends AsyncDisposable {
  readonly bus: Bus;
  /** @throws ScbeError as the answer's service error says */
  ask(question: ServiceRequest, data: Uint8Array, headers?: BusHeaders, intent?: string): Promise<BusMessage>;
}

const TIMEOUT_MS = 10_000;

/** Connects as `user`, to ask about one provider, openai unless told. */
export async function connectAsker(system: System, user: string, provider = "openai"): Promise<Asker> {
  const host = await createTestHost({ transport: system.transport(user), name: user });
  return {
    bus: host.bus,
    ask: (question, data, headers = {}, intent = "chat") =>
      host.bus.request(subjectOf(question, { user, provider, intent }), data, {
        timeoutMs: TIMEOUT_MS,
        headers,
      }),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}
