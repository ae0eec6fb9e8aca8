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
  /** Starts `traced-gateway-program.ts` as the gateway of a provider. */
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
 * The spans of a trace as lines, each with its service, its name and why it failed, indented below its parent; siblings in
 * the order of their text. A parent that is not in the trace has a line of its own, with its id. What the replay guard was
 * asked again, since it had not answered in time, is told once.
 */
export function treeOf({ spans }: JaegerTrace): string[] {
  const ids = new Set<string | undefined>(spans.map(({ spanId }) => spanId));
  const below = (parent: string | undefined, depth: number): string[] =>
    spans
      .filter(({ parentSpanId }) => parentSpanId === parent)
      .map((span) => [`${"  ".repeat(depth)}${lineOf(span)}`, ...below(span.spanId, depth + 1)])
      .toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1))
      .filter(([line], index, all) => !isAskedAgain(line, all[index - 1]?.[0]))
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

/** Longer than any process keeps its spans, and Jaeger its batches. */
export const ARRIVAL = { timeoutMs: 15_000, everyMs: 100 };

/** Waits until a trace is there and has that tree. @throws the difference, once the time is up */
export function eventualTree(
  find: () => Promise<JaegerTrace | undefined>,
  check: (tree: readonly string[]) => unknown,
): Promise<JaegerTrace> {
  return eventually(async () => {
    const trace = await find();
    if (trace === undefined) throw new Error("Jaeger does not know of such a trace");
    check(treeOf(trace));
    return trace;
  }, ARRIVAL);
}

function isAskedAgain(line: string | undefined, before: string | undefined): boolean {
  return line === before && line?.trimStart().startsWith("replay-guard: ") === true;
}

function lineOf({ service, name, error }: JaegerSpan): string {
  return `${service}: ${name}${error === undefined ? "" : ` !${error}`}`;
}
