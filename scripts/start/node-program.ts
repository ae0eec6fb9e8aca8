import { join } from "node:path";
import { z } from "zod";
import type { LocalFolder } from "./local-folder.ts";
import { accepts, Port } from "./port.ts";
import type { Program } from "./supervised.ts";

export interface NodeProgramOptions {
  readonly name: string;
  /** From the root of the checkout. */
  readonly main: string;
  readonly root: string;
  readonly folder: LocalFolder;
  /** Asked before every run. */
  readonly env: () => Readonly<Record<string, string>>;
  /** Of its ops port; 0: any free one. */
  readonly opsPort: number;
}

/** One of our own programs, with an ops port. */
export interface NodeProgram {
  readonly program: Program;
  /** Where `/healthz`, `/readyz` and `/metrics` are. */
  readonly opsUrl: string;
  /** Has its port picked before it starts; see {@link Port.pick}. */
  pickPort(): Promise<void>;
}

/** A program that runs on Node and says on its ops port whether it is ready. */
export function nodeProgram({ name, main, root, folder, env, opsPort }: NodeProgramOptions): NodeProgram {
  const port = new Port(opsPort);
  let lacks = "";
  const opsUrl = (): string => `http://127.0.0.1:${port.number}`;
  return {
    program: {
      name,
      command: async () => ({
        file: process.execPath,
        args: [join(root, main)],
        env: { ...env(), SCBE_OPS_HOST: "127.0.0.1", SCBE_OPS_PORT: String(await port.take()) },
        ipc: true,
        logFile: folder.logFile(name),
      }),
      isReady: async () => {
        // Most looks are at a part that is still loading: a connection that is refused costs much less than a fetch that fails.
        await accepts(port.number);
        lacks = await lackOf(`${opsUrl()}/readyz`);
        return lacks === "";
      },
      onReady: () => port.keep(),
      lacks: () => lacks,
    },
    get opsUrl() {
      return opsUrl();
    },
    pickPort: () => port.pick(),
  };
}

const ANSWER_MS_MAX = 2000;

/** What a part says that it lacks; empty when it is ready. @throws Error while it does not answer at all */
async function lackOf(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
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
