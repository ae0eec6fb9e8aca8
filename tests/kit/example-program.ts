import { fileURLToPath } from "node:url";
import { type RunningProcess, startProcess } from "@scbe/testkit";
import type { System } from "./system.ts";

export interface ExampleOptions {
  /** Its user on the bus; default none. */
  readonly user?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
}

/** Starts a program of the examples. Its environment has only the system's variables and `env`. */
export function startExample(
  system: Pick<System, "variables" | "environment">,
  program: "gateway" | "orchestrator" | "stand-in",
  { user, env = {}, args = [] }: ExampleOptions = {},
): RunningProcess {
  const file = fileURLToPath(new URL(`../../examples/src/${program}/main.ts`, import.meta.url));
  const own = user === undefined ? system.variables : system.environment(user);
  const variables = { PATH: process.env.PATH ?? "", ...own, ...env };
  return startProcess(process.execPath, [file, ...args], { bareEnv: true, ipc: true, env: variables });
}

/** Starts the example gateway of a provider. Resolves when it serves. */
export async function startExampleGateway(
  system: Pick<System, "variables" | "environment">,
  provider: string,
  env: Readonly<Record<string, string>>,
): Promise<RunningProcess> {
  const own = { SCBE_GATEWAY_PROVIDER: provider, ...env };
  const gateway = startExample(system, "gateway", { user: `gateway-${provider}`, env: own });
  await gateway.output(/"msg":"serving"/, { timeoutMs: 30_000 });
  return gateway;
}

/** Starts the stand-in for all providers. @returns its process and its URL */
export async function startExampleStandIn(
  system: Pick<System, "variables" | "environment">,
): Promise<{ running: RunningProcess; url: string }> {
  const running = startExample(system, "stand-in", { env: { SCBE_STAND_IN_PORT: "0" } });
  const [, url = ""] = await running.output(/"url":"([^"]+)"/, { timeoutMs: 20_000 });
  return { running, url };
}
