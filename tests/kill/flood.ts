import { fileURLToPath } from "node:url";
import type { Transport } from "@scbe/bus";
import { startProcess } from "@scbe/testkit";

export interface FloodMessage {
  readonly subject: string;
  /** Text in which each `NONCE` becomes 16 different bytes, in base64url. */
  readonly data: string;
  /** The reply subject; default a new inbox. */
  readonly reply?: string;
}

/** One user's flood. */
export interface FloodPlan {
  readonly name: string;
  readonly role: string;
  readonly transport: Transport;
  readonly perSecond: number;
  /** Sent in turn. */
  readonly messages: readonly FloodMessage[];
}

export interface Flood extends AsyncDisposable {
  /** The number of sent messages, up to 100 ms old. */
  sent(): number;
}

/** Floods from a process of its own until disposed. Resolves when the flood begins. */
export async function startFlood(plan: FloodPlan): Promise<Flood> {
  const program = fileURLToPath(new URL("flood-program.ts", import.meta.url));
  const running = startProcess(process.execPath, [program, JSON.stringify(plan)]);
  await running.output(/flooding/);
  return {
    sent: () => Number(/(\d+)\n[^\n]*$/.exec(running.stdout)?.[1] ?? 0),
    [Symbol.asyncDispose]: () => running.kill(),
  };
}
