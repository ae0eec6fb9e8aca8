import { join } from "node:path";
import { readListening } from "@scbe/service";
import { z } from "zod";
import type { LocalFolder } from "./local-folder.ts";
import { Port } from "./port.ts";
import type { Program } from "./supervised.ts";

export interface NodeProgramOptions {
  readonly name: string;
  /** From the root of the checkout. */
  readonly main: string;
  readonly root: string;
  readonly folder: LocalFolder;
  /** Asked before every run. */
  readonly env: () => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  /** The listeners that it tells of, by name; one of them answers whether it is ready. */
  readonly listeners: Readonly<Record<string, Listener>>;
  /** Asks whether it is ready, once that listener is there. @returns what it lacks; empty when it is. @throws Error while it does not answer */
  readonly lackOf?: (url: string) => Promise<string>;
}

export interface Listener {
  /** The variable that has its port. */
  readonly variable: string;
  /** 0: any free one. */
  readonly port: number;
  /** The variable of `npm start` that has it; absent: there is none. */
  readonly startVariable?: string;
}

/** One of our own programs. It binds its ports itself, and tells over its IPC channel which it has got. */
export interface NodeProgram {
  readonly program: Program;
  /** Where a listener is; empty before it was there for the first time. */
  url(listener?: string): string;
  /** Resolves when all listeners were there for the first time. */
  readonly listening: Promise<unknown>;
}

/** The listener that every program with an ops port has. */
export const OPS = "ops";

export function nodeProgram(options: NodeProgramOptions): NodeProgram {
  const { name, main, root, folder, env, listeners, lackOf = lackOfService } = options;
  const ports = new Map(Object.entries(listeners).map(([on, { port }]) => [on, new Port(port)]));
  const [first = OPS] = Object.keys(listeners);
  const url = (on = first): string => {
    const port = ports.get(on);
    return port?.isBound === true ? `http://127.0.0.1:${port.number}` : "";
  };
  /** Of the run that is under way. */
  let told = new Set<string>();
  let lacks = "";
  return {
    program: {
      name,
      command: async () => {
        const heard = new Set<string>();
        told = heard;
        lacks = "";
        const bindings = Object.entries(listeners).map(([on, { variable }]) => [
          variable,
          String(ports.get(on)?.ask() ?? 0),
        ]);
        return {
          file: process.execPath,
          args: [join(root, main)],
          env: { ...(await env()), ...Object.fromEntries(bindings) },
          ipc: true,
          onMessage: (message) => {
            const listening = readListening(message);
            if (listening === undefined) return;
            ports.get(listening.on)?.keep(listening.port);
            heard.add(listening.on);
          },
          logFile: folder.logFile(name),
        };
      },
      isReady: async () => {
        if (told.size < ports.size) return false;
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

/** A program names its own variable where its port is taken, and not the one that it came from. */
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
