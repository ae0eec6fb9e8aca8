/**
 * `npm start`, `npm test` and the other commands of package.json begin here. Plain JavaScript that Node 20 can read: it installs what the
 * machine lacks (Node 24, pnpm, the packages, nats-server, redis-server), and runs a program on Node 24. It writes to stderr; stdout
 * belongs to that program.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installPackages, packagesAreInstalled } from "./bootstrap/packages.mjs";
import { endLike, npmFlags, runChild, stopWithNpm, withoutNpm } from "./bootstrap/run-child.mjs";
import { ignoreClosedTerminal, say } from "./bootstrap/say.mjs";
import { installServers, missingServers, serverAdvice } from "./bootstrap/servers.mjs";
import { findNode, installToolchain } from "./bootstrap/toolchain.mjs";
import { toolEnvironment } from "./bootstrap/tools.mjs";
import { withLock } from "./bootstrap/with-lock.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const BIN = join(ROOT, "node_modules", ".bin");
const VITEST = join("node_modules", "vitest", "vitest.mjs");
const BIOME = join("node_modules", "@biomejs", "biome", "bin", "biome");

/** The program of each command on Node 24, and whether it starts real servers. */
const COMMANDS = {
  start: { program: ["packages/cli/src/start/main.ts"], servers: true, flags: ["once", "json", "fresh"] },
  test: { program: [VITEST, "run"], servers: true, flags: [] },
  check: { program: ["scripts/check.ts"], servers: false, flags: [] },
  fix: { program: [BIOME, "check", "--write", "."], servers: false, flags: [] },
  generate: { program: ["scripts/generate.ts"], servers: false, flags: [] },
  "mutate-readers": {
    program: ["--disable-warning=ExperimentalWarning", "scripts/mutate-readers.ts"],
    servers: false,
    flags: ["all", "json", "write"],
  },
  measure: { program: ["scripts/measure.ts"], servers: false, flags: ["json"] },
  pack: { program: ["scripts/pack.ts"], servers: false, flags: ["json"] },
  get: { program: ["packages/cli/src/get/main.ts"], servers: false, flags: [] },
  bench: { program: ["tests/bench/main.ts"], servers: true, flags: [] },
};

ignoreClosedTerminal();
stopWithNpm();
await main(process.argv[2] ?? "", process.argv.slice(3)).catch((error) => {
  say(error.message);
  process.exitCode = 1;
});

async function main(name, args) {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined)
    throw new Error(`usage: node scripts/run.mjs ${Object.keys(COMMANDS).join(" | ")}`);
  const flags = npmFlags(command.flags).filter((flag) => !args.includes(flag));
  const node = await prepare(command.servers);
  const ended = await runChild(node, [...command.program, ...flags, ...args], {
    cwd: ROOT,
    env: programEnvironment(node),
    stdio: "inherit",
  });
  endLike(ended);
}

/** Only checks when everything is installed; otherwise installs under one lock, so that two first starts both succeed. */
async function prepare(needsServers) {
  const node = findNode(ROOT);
  const missing = needsServers ? missingServers(ROOT) : [];
  if (node === undefined || !packagesAreInstalled(ROOT) || missing.length > 0) {
    await withLock(join(ROOT, ".cache", "bootstrap"), () => bring(missing.length > 0));
  }
  if (needsServers) for (const line of serverAdvice(missingServers(ROOT))) say(line);
  return findNode(ROOT);
}

async function bring(needsServers) {
  if (findNode(ROOT) === undefined || !packagesAreInstalled(ROOT)) {
    const toolchain = await installToolchain(ROOT);
    if (!packagesAreInstalled(ROOT)) await installPackages(ROOT, toolchain);
  }
  if (needsServers) await installServers(ROOT);
}

function programEnvironment(node) {
  const environment = withoutNpm(process.env);
  const quiet = process.stdout.isTTY ? {} : { NO_COLOR: "1" };
  return {
    ...quiet,
    // The compile cache also serves the processes that the program starts: a dozen of them start at once.
    NODE_COMPILE_CACHE: join(ROOT, ".cache", "compile"),
    ...environment,
    ...toolEnvironment(ROOT),
    PATH: [dirname(node), BIN, environment.PATH ?? ""].join(":"),
  };
}
