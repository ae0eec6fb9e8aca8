import { fileURLToPath } from "node:url";
import { startTracing } from "@scbe/service";
import { type JaegerServer, type RunningProcess, startJaeger, startProcess } from "@scbe/testkit";
import type { Tap } from "../plain-nats/tap.ts";
import { startExampleGateway, startExampleStandIn } from "./example-program.ts";
import { startTap } from "./start-tap.ts";
import { type System, type SystemOptions, startSystem } from "./system.ts";

export interface TracedSystemOptions extends Omit<SystemOptions, "onNats"> {
  /** Those that have an example gateway, which calls the stand-in. */
  readonly examples: readonly string[];
  /** More variables of the example gateway of a provider. */
  readonly gatewayVariables?: (provider: string, standInUrl: string) => Readonly<Record<string, string>>;
}

/**
 * A system with a real Jaeger that every process sends its traces to, a tap on its bus, the example gateways, and the
 * stand-in. The test's own process traces as `orchestrator`: one of these for each process.
 */
export interface TracedSystem extends AsyncDisposable {
  readonly system: System;
  readonly tap: Tap;
  readonly jaeger: JaegerServer;
  /** By provider. */
  readonly gateways: ReadonlyMap<string, RunningProcess>;
  readonly standIn: RunningProcess;
  /** Starts `workshop-gateway.ts` as the gateway of a provider. */
  startWorkshop(provider: string): Promise<RunningProcess>;
}

export async function startTracedSystem(options: TracedSystemOptions): Promise<TracedSystem> {
  await using stack = new AsyncDisposableStack();
  const jaeger = stack.use(await startJaeger());
  const tracing = { OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.otlpUrl, OTEL_BSP_SCHEDULE_DELAY: "200" };
  Object.assign(process.env, tracing);
  stack.use(await startTracing({ name: "orchestrator", version: "0.0.0" }));
  let tap: Tap | undefined;
  const system = stack.use(
    await startSystem({
      ...options,
      variables: { ...tracing, ...options.variables },
      onNats: async (nats) => {
        tap = stack.use(await startTap(nats));
      },
    }),
  );
  if (tap === undefined) throw new Error("the system has no server");
  const { running: standIn, url } = await startExampleStandIn(system);
  stack.use(standIn);
  const gateways = new Map<string, RunningProcess>();
  const startGateway = async (provider: string): Promise<void> => {
    const env = { SCBE_STAND_IN_URL: url, ...options.gatewayVariables?.(provider, url) };
    gateways.set(provider, stack.use(await startExampleGateway(system, provider, env)));
  };
  await Promise.all(options.examples.map(startGateway));
  const held = stack.move();
  return {
    system,
    tap,
    jaeger,
    gateways,
    standIn,
    startWorkshop: async (provider) => held.use(await startWorkshop(system, provider)),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function startWorkshop(system: System, provider: string): Promise<RunningProcess> {
  const file = fileURLToPath(new URL("workshop-gateway.ts", import.meta.url));
  const env = {
    PATH: process.env.PATH ?? "",
    ...system.environment(`gateway-${provider}`),
    GATEWAY_PROVIDER: provider,
  };
  const gateway = startProcess(process.execPath, [file], { bareEnv: true, ipc: true, env });
  await gateway.output(/"msg":"serving"/, { timeoutMs: 20_000 });
  return gateway;
}
