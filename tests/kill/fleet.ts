import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { ClientRole, Transport } from "@scbe/client";
import { type RunningProcess, startProcess } from "@scbe/testkit";
import type { System } from "../kit/system.ts";

/** One client of a fleet. */
export interface MemberPlan {
  readonly name: string;
  readonly role: ClientRole;
  readonly transport: Transport;
  /** A gateway serves them; an orchestrator sends requests to them in turn. */
  readonly providers: readonly string[];
}

/** The plan of one process of a fleet, as JSON in `FLEET_PLAN`. */
export interface FleetPlan {
  readonly members: readonly MemberPlan[];
}

/** The report of a member. Times are those of {@link process.hrtime}, in ms. */
export interface MemberReport {
  readonly role: ClientRole;
  /** When it applied the current kill; undefined: it obeys none. */
  readonly obeyedAtMs: number | undefined;
  /** When an orchestrator's request in flight at that time was refused; undefined: none was. */
  readonly refusedAtMs: number | undefined;
  /** Released envelopes: requests to a gateway's handler, responses to an orchestrator's caller. */
  readonly opened: number;
  /** Envelopes released after it applied the kill. */
  readonly openedSinceObeying: number | undefined;
  /** Envelopes that were verified and admitted, but not released. */
  readonly withdrawn: number;
}

/** Many clients in a few processes. */
export interface Fleet extends AsyncDisposable {
  report(): Promise<MemberReport[]>;
}

export interface FleetOptions {
  readonly processes: number;
  /** In each process. */
  readonly orchestrators: number;
  /** In each process, for each provider. */
  readonly gateways: number;
  readonly providers: readonly string[];
}

/** Resolves when all clients are connected and serve. */
export async function startFleet(system: System, options: FleetOptions): Promise<Fleet> {
  await using stack = new AsyncDisposableStack();
  const plan: FleetPlan = { members: membersOf(system, options) };
  const file = fileURLToPath(new URL("fleet-program.ts", import.meta.url));
  const env = { PATH: process.env.PATH ?? "", ...system.variables, FLEET_PLAN: JSON.stringify(plan) };
  const processes = Array.from({ length: options.processes }, () =>
    stack.use(startProcess(process.execPath, [file], { bareEnv: true, ipc: true, env })),
  );
  await Promise.all(processes.map((it) => it.output(/all are connected/, { timeoutMs: 60_000 })));
  const held = stack.move();
  return {
    report: async () => (await Promise.all(processes.map(reportOf))).flat(),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function membersOf(system: System, { orchestrators, gateways, providers }: FleetOptions): MemberPlan[] {
  const member = (name: string, role: ClientRole, providers: readonly string[]): MemberPlan => ({
    ...{ name, role, providers },
    transport: system.transport(name),
  });
  return [
    ...Array.from({ length: orchestrators }, () => member("orchestrator", "orchestrator", providers)),
    ...providers.flatMap((provider) =>
      Array.from({ length: gateways }, () => member(`gateway-${provider}`, "gateway", [provider])),
    ),
  ];
}

async function reportOf({ child }: RunningProcess): Promise<MemberReport[]> {
  const answered = once(child, "message");
  child.send("report");
  const [report] = await answered;
  return report as MemberReport[];
}
