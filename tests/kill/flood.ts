import { fileURLToPath } from "node:url";
import type { Transport } from "@scbe/bus";
import { startProcess } from "@scbe/testkit";

export interface FloodMessage {
  readonly subject: string;
  /** Its text; each `NONCE` in it becomes 16 bytes of its own, in base64url. */
  readonly data: string;
  /** Where the answer is to go; an inbox of its own unless told. */
  readonly reply?: string;
}

/** What one user floods the bus with. */
export interface FloodPlan {
  readonly name: string;
  readonly role: string;
  readonly transport: Transport;
  readonly perSecond: number;
  /** Sent in turn. */
  readonly messages: readonly FloodMessage[];
}

export interface Flood extends AsyncDisposable {
  /** How many were sent, to within 100 ms. */
  sent(): number;
}

/** Floods from a process of its own until it is disposed of; resolves when it begins. */
export async function startFlood(plan: FloodPlan): Promise<Flood> {
  const program = fileURLToPath(new URL("flood-program.ts", import.meta.url));
  const running = startProcess(process.execPath, [program, JSON.stringify(plan)]);
  await running.output(/flooding/);
  return {
    sent: () => Number(/(\d+)\n[^\n]*$/.exec(running.stdout)?.[1] ?? 0),
    [Symbol.asyncDispose]: () => running.kill(),
  };
}
