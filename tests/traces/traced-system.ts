import { fileURLToPath } from "node:url";
import { startTracing } from "@scbe/service";
import {
  eventually,
  type JaegerServer,
  type JaegerSpan,
  type JaegerTrace,
  type RunningProcess,
  startJaeger,
  startProcess,
} from "@scbe/testkit";
import { startExampleGateway, startExampleStandIn } from "../kit/example-program.ts";
import { type System, type SystemOptions, startSystem } from "../kit/system.ts";
import { startTap, type Tap } from "../kit/tap.ts";

export interface TracedSystemOptions extends Omit<SystemOptions, "onNats"> {
  /** Providers with an example gateway, which calls the stand-in. */
  readonly examples: readonly string[];
  /** Additional variables of a provider's example gateway. */
  readonly gatewayVariables?: (provider: string, standInUrl: string) => Readonly<Record<string, string>>;
}

/**
 * A system with a real Jaeger, a tap on its bus, example gateways and the stand-in. Every process exports its traces to Jaeger,
 * and the test's own process does so as `orchestrator`. A process can start one traced system only.
 */
export interface TracedSystem extends AsyncDisposable {
  readonly system: System;
  readonly tap: Tap;
  readonly jaeger: JaegerServer;
  /** By provider. */
  readonly gateways: ReadonlyMap<string, RunningProcess>;
  readonly standIn: RunningProcess;
  /** Starts `traced-gateway-program.ts` as the gateway of a provider. */
  startTracedGateway(provider: string): Promise<RunningProcess>;
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
  if (tap === undefined) throw new Error("onNats was not called");
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
    startTracedGateway: async (provider) => held.use(await startTracedGateway(system, provider)),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function startTracedGateway(system: System, provider: string): Promise<RunningProcess> {
  const file = fileURLToPath(new URL("traced-gateway-program.ts", import.meta.url));
  const env = {
    PATH: process.env.PATH ?? "",
    ...system.environment(`gateway-${provider}`),
    GATEWAY_PROVIDER: provider,
  };
  const gateway = startProcess(process.execPath, [file], { bareEnv: true, ipc: true, env });
  await gateway.output(/"msg":"serving"/, { timeoutMs: 20_000 });
  return gateway;
}

/**
 * The spans of a trace as lines with service, name and error, indented below their parents. Siblings are sorted by text. A parent
 * outside the trace is a line with its id. A repeated admit of the replay guard, after a slow reply, counts once.
 */
export function treeOf({ spans }: JaegerTrace): string[] {
  const ids = new Set<string | undefined>(spans.map(({ spanId }) => spanId));
  const below = (parent: string | undefined, depth: number): string[] =>
    spans
      .filter(({ parentSpanId }) => parentSpanId === parent)
      .map((span) => [`${"  ".repeat(depth)}${lineOf(span)}`, ...below(span.spanId, depth + 1)])
      .toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1))
      .filter(([line], index, all) => !isRepeatedAdmit(line, all[index - 1]?.[0]))
      .flat();
  const missing = new Set(
    spans.flatMap(({ parentSpanId: id }) => (id === undefined || ids.has(id) ? [] : [id])),
  );
  return [...below(undefined, 0), ...[...missing].flatMap((id) => [`(${id})`, ...below(id, 1)])];
}

/** The spans of that name. */
export function spansNamed({ spans }: JaegerTrace, name: string): JaegerSpan[] {
  return spans.filter((span) => span.name === name);
}

/** Longer than the export delay of a process and the batches of Jaeger. */
export const ARRIVAL = { timeoutMs: 15_000, everyMs: 100 };

/** Waits until a trace has arrived and `check` accepts its tree. @throws the difference, after the time-out */
export function eventualTree(
  find: () => Promise<JaegerTrace | undefined>,
  check: (tree: readonly string[]) => unknown,
): Promise<JaegerTrace> {
  return eventually(async () => {
    const trace = await find();
    if (trace === undefined) throw new Error("Jaeger has no such trace");
    check(treeOf(trace));
    return trace;
  }, ARRIVAL);
}

function isRepeatedAdmit(line: string | undefined, before: string | undefined): boolean {
  return line === before && line?.trimStart().startsWith("replay-guard: ") === true;
}

function lineOf({ service, name, error }: JaegerSpan): string {
  return `${service}: ${name}${error === undefined ? "" : ` !${error}`}`;
}
