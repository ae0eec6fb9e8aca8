import { delimiter, join } from "node:path";
import { withoutNpm } from "./environment.mjs";
import { isExecutable } from "./is-executable.mjs";
import { runTool } from "./run-child.mjs";
import { say } from "./say.mjs";

const SERVERS = [
  { name: "nats-server", variable: "SCBE_NATS_SERVER" },
  { name: "redis-server", variable: "SCBE_REDIS_SERVER" },
];
const NATS_MODULE = "github.com/nats-io/nats-server/v2@v2.15.2";
/** Debian puts nats-server where a user's PATH does not look. */
const MORE_FOLDERS = ["/usr/sbin", "/usr/local/bin"];

/**
 * The real servers that this machine has: by their variable, on the PATH, where packages put them, in .cache/bin.
 * @returns `{ environment, missing }`: their variables set to paths; the names of those that are not there
 * @throws Error when a variable names a file that cannot be run
 */
export function findServers(root) {
  const found = SERVERS.map(({ name, variable }) => ({
    name,
    variable,
    path: findServer(root, name, variable),
  }));
  const there = found.filter(({ path }) => path !== undefined);
  return {
    environment: Object.fromEntries(there.map(({ variable, path }) => [variable, path])),
    missing: found.filter(({ path }) => path === undefined).map(({ name }) => name),
  };
}

/**
 * Installs what is missing: with apt-get as root, else nats-server with Go into .cache/bin. `SCBE_BOOTSTRAP_INSTALL=0`
 * forbids it. A failure is said and no more: the programs have the last word on what they can do without.
 */
export async function installServers(root) {
  if (process.env.SCBE_BOOTSTRAP_INSTALL === "0") return;
  await tryTo(() => installWithApt(findServers(root).missing));
  if (findServers(root).missing.includes("nats-server")) await tryTo(() => installWithGo(root));
}

/** What to tell somebody who lacks these servers. */
export function serverAdvice(missing) {
  return missing.map((name) => {
    const { variable } = SERVERS.find((server) => server.name === name);
    const go = name === "nats-server" ? `, or: go install ${NATS_MODULE}` : "";
    return `${name} was not found. Install it (apt-get update && apt-get install ${name}${go}), or set ${variable} to its path`;
  });
}

async function installWithApt(missing) {
  if (missing.length === 0 || process.getuid?.() !== 0 || findExecutable("apt-get") === undefined) return;
  const install = ["install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", ...missing];
  say(`installing ${missing.join(" and ")}: apt-get update && apt-get install ${missing.join(" ")}`);
  const env = { ...withoutNpm(process.env), DEBIAN_FRONTEND: "noninteractive" };
  await runTool("apt-get", ["update", "-q"], { env });
  await runTool("apt-get", [...install, "-q"], { env });
}

async function installWithGo(root) {
  const go = findExecutable("go") ?? findExecutable("go", ["/usr/local/go/bin"]);
  if (go === undefined) return;
  const folder = binFolder(root);
  say(`installing nats-server into .cache/bin: go install ${NATS_MODULE} (about a minute, once)`);
  await runTool(go, ["install", NATS_MODULE], { env: { ...withoutNpm(process.env), GOBIN: folder } });
}

async function tryTo(work) {
  try {
    await work();
  } catch (error) {
    say(error.message);
  }
}

function findServer(root, name, variable) {
  const given = process.env[variable] ?? "";
  if (given === "") return findExecutable(name, [...MORE_FOLDERS, binFolder(root)]);
  if (isExecutable(given)) return given;
  throw new Error(`${variable} names ${given}, which cannot be run`);
}

function binFolder(root) {
  return join(root, ".cache", "bin");
}

function findExecutable(name, moreFolders = []) {
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return [...path, ...moreFolders].map((folder) => join(folder, name)).find(isExecutable);
}
