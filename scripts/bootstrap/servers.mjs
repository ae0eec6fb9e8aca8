import { runTool, withoutNpm } from "./run-child.mjs";
import { say } from "./say.mjs";
import { binFolder, findExecutable, findTool, TOOLS } from "./tools.mjs";

const SERVERS = ["nats-server", "redis-server"];
const NATS_MODULE = "github.com/nats-io/nats-server/v2@v2.15.2";

/** The names of required servers that this machine lacks. @throws Error as findTool */
export function missingServers(root) {
  return SERVERS.filter((name) => findTool(root, name) === undefined);
}

/**
 * Installs missing servers: with apt-get as root, otherwise nats-server with Go into .cache/bin. `SCBE_BOOTSTRAP_INSTALL=0`
 * forbids it. A failure is only reported: the programs decide what they can do without.
 */
export async function installServers(root) {
  if (process.env.SCBE_BOOTSTRAP_INSTALL === "0") return;
  await tryTo(() => installWithApt(missingServers(root)));
  if (missingServers(root).includes("nats-server")) await tryTo(() => installWithGo(root));
}

/** A sentence for each missing server, with how to install it. */
export function serverAdvice(missing) {
  return missing.map((name) => {
    const { variable } = TOOLS[name];
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
