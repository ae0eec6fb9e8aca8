import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { findServer } from "./find-server.ts";
import { isExecutable } from "./find-tool.ts";

/** One of the nats-servers that tests of the bus run on. */
export interface NatsVersion {
  /** As in "2.9.10", or what is missing. */
  readonly version: string;
  /** The program, for {@link startNats}; `undefined` where this machine has none. */
  readonly program: string | undefined;
}

/**
 * The nats-server that everything uses, and a newer one beside it: `SCBE_NATS_SERVER_NEXT`, or what
 * `GOBIN=$PWD/.cache/bin-next go install github.com/nats-io/nats-server/v2@v2.15.2` has made. The second one may be missing:
 * tests then skip with the entry's `version` as the reason, also under `SCBE_REQUIRE_ALL=1`.
 *
 * @example
 * describe.each(natsVersions())("on nats-server $version", ({ program }) => {
 *   describe.skipIf(program === undefined)("the bus", () => { ... startNats({ program }) ... });
 * });
 */
export function natsVersions(env: NodeJS.ProcessEnv = process.env): readonly NatsVersion[] {
  const first = findServer("nats-server", env);
  return [{ version: versionOf(first), program: first }, nextVersion(env)];
}

const CACHED = fileURLToPath(new URL("../../../.cache/bin-next/nats-server", import.meta.url));

function nextVersion(env: NodeJS.ProcessEnv): NatsVersion {
  const given = env.SCBE_NATS_SERVER_NEXT ?? "";
  if (given !== "" && !isExecutable(given)) {
    throw new Error(`SCBE_NATS_SERVER_NEXT names ${given}, which cannot be run`);
  }
  const program = given === "" ? CACHED : given;
  return isExecutable(program)
    ? { version: versionOf(program), program }
    : { version: "next (neither SCBE_NATS_SERVER_NEXT nor .cache/bin-next has one)", program: undefined };
}

function versionOf(program: string): string {
  const said = execFileSync(program, ["--version"], { encoding: "utf8" });
  return said.match(/v(\d+\.\d+\.\d+)/)?.[1] ?? said.trim();
}
