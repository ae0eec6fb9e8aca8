import { join } from "node:path";
import { readListening } from "@scbe/service";
import { z } from "zod";
import { Port } from "./ports.ts";
import type { Program } from "./program.ts";

export interface NodeProgramOptions {
  readonly name: string;
  /** From the root of the checkout. */
  readonly main: string;
  readonly root: string;
  readonly logFile: string;
  /** Called before every run. */
  readonly env: () => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  /** The listeners that it reports, by name; the first one answers whether it is ready. */
  readonly listeners: Readonly<Record<string, Listener>>;
  /** Called once it listens. @returns the dependencies that it waits for; empty when it is ready. @throws Error while it does not answer */
  readonly lackOf?: (url: string) => Promise<string>;
}

export interface Listener {
  /** The program's variable for the port. */
  readonly variable: string;
  /** 0: any free port. */
  readonly port: number;
  /** The variable of `npm start` for the port. */
  readonly startVariable?: string;
}

/** One of our own programs. It binds its ports itself, and reports them over its IPC channel. */
export interface NodeProgram {
  readonly program: Program;
  /** The address of a listener; empty until it was reported for the first time. */
  url(listener?: string): string;
  /** Resolves when all listeners were reported for the first time. */
  readonly listening: Promise<unknown>;
}

/** The listener of every program with an ops port. */
export const OPS = "ops";

export function nodeProgram(options: NodeProgramOptions): NodeProgram {
  const { name, main, root, logFile, env, listeners, lackOf = lackOfService } = options;
  const ports = new Map(Object.entries(listeners).map(([on, { port }]) => [on, new Port(port)]));
  const [first = OPS] = Object.keys(listeners);
  const url = (on = first): string => {
    const port = ports.get(on);
    return port?.isBound === true ? `http://127.0.0.1:${port.number}` : "";
  };
  /** Listeners of the current run. */
  let reported = new Set<string>();
  let lacks = "";
  return {
    program: {
      name,
      command: async () => {
        const ofThisRun = new Set<string>();
        reported = ofThisRun;
        lacks = "";
        const bindings = Object.entries(listeners).map(([on, { variable }]) => [
          variable,
          String(ports.get(on)?.ask() ?? 0),
        ]);
        return {
          file: process.execPath,
          args: [join(root, main)],
          env: { ...(await env()), ...Object.fromEntries(bindings) },
          onMessage: (message) => {
            const listening = readListening(message);
            if (listening === undefined) return;
            ports.get(listening.on)?.keep(listening.port);
            ofThisRun.add(listening.on);
          },
          logFile,
        };
      },
      isReady: async () => {
        if (reported.size < ports.size) return false;
        lacks = await lackOf(url());
        return lacks === "";
      },
      lacks: () => lacks,
      ...adviceOn(listeners),
    },
    url,
    listening: Promise.all([...ports.values()].map((port) => port.bound)),
  };
}

/** When its port is taken, a program reports its own variable, and not the variable of `npm start`. */
function adviceOn(listeners: NodeProgramOptions["listeners"]): Pick<Program, "advice"> {
  const given = Object.values(listeners).flatMap(({ port, startVariable }) =>
    port === 0 || startVariable === undefined ? [] : `${startVariable} is ${port}`,
  );
  return given.length === 0
    ? {}
    : { advice: `where its port is taken: ${given.join(", ")}, or use --ports auto` };
}

const ANSWER_MS_MAX = 2000;

async function lackOfService(url: string): Promise<string> {
  const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  const report = Report.parse(await response.json());
  if (report.ready) return "";
  return report.dependencies
    .filter(({ ok }) => !ok)
    .map(({ name, reason = "away" }) => `${name}: ${reason}`)
    .join("; ");
}

const Report = z.object({
  ready: z.boolean(),
  dependencies: z.array(z.object({ name: z.string(), ok: z.boolean(), reason: z.string().optional() })),
});
