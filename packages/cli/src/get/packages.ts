import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { runTool, withoutNpm } from "../../../../scripts/bootstrap/run-child.mjs";
import { say } from "../../../../scripts/bootstrap/say.mjs";
import { findExecutable, TOOLS } from "../../../../scripts/bootstrap/tools.mjs";

const run = promisify(execFile);

/** Programs that come together. */
export interface Package {
  /** Names of {@link TOOLS}. */
  readonly tools: readonly string[];
  /** Its source, and the time that it takes. */
  readonly doc: string;
  /** Puts its programs into the empty `folder`, under their names in `.cache/bin`. @throws Error */
  bring(folder: string): Promise<void>;
}

/** The packages of `npm run get`, by name. */
export const PACKAGES: Readonly<Record<string, Package>> = {
  jaeger: {
    tools: ["jaeger"],
    doc: "Built from source with Go 1.26 or later: about five minutes, 120 MB, without the web pages.",
    bring: buildJaeger,
  },
  prometheus: debian("prometheus", {
    "usr/bin/prometheus": "prometheus",
    "usr/bin/promtool": "promtool",
  }),
  alertmanager: {
    tools: ["alertmanager", "amtool"],
    doc: "Built from source with Go 1.26 or later: about two minutes.",
    bring: buildAlertmanager,
  },
};

function debian(name: string, files: DebianFiles): Package {
  return {
    tools: Object.values(files),
    doc: `From the package ${name} of Debian or Ubuntu, by apt-get download, without root.`,
    bring: (folder) => fromDebian(name, files, folder),
  };
}

const ALERTMANAGER_VERSION = "0.28.1";
const ALERTMANAGER = "github.com/prometheus/alertmanager";

/**
 * Builds Alertmanager and amtool from their module's source. Debian's package runs only when it is installed: it reads its
 * templates from /usr/share.
 * @param folder gets the programs as `alertmanager` and `amtool`
 * @throws Error with an advice
 */
async function buildAlertmanager(folder: string): Promise<void> {
  const go = await findGo("alertmanager");
  const programs = ["alertmanager", "amtool"].map(
    (name) => `${ALERTMANAGER}/cmd/${name}@v${ALERTMANAGER_VERSION}`,
  );
  const version = `-X github.com/prometheus/common/version.Version=${ALERTMANAGER_VERSION}`;
  await runLong("building alertmanager", go, ["install", "-ldflags", version, ...programs], {
    cwd: folder,
    env: { GOBIN: folder },
  });
}

const JAEGER = "github.com/jaegertracing/jaeger@v1.76.0";
const DOWNLOAD_TIMEOUT_MS = 300_000;

/**
 * Builds Jaeger 2 from its module's source. `go install` refuses modules with a replace line.
 * @param folder gets the program as `jaeger`
 * @throws Error with an advice
 */
async function buildJaeger(folder: string): Promise<void> {
  const go = await findGo("jaeger");
  say(`building jaeger from ${JAEGER}: about five minutes, once`);
  const source = await download(go, folder);
  const copy = join(folder, "source");
  // Modules in Go's cache are read-only, and a build writes beside its go.mod.
  await run("cp", ["-R", source, copy]);
  await run("chmod", ["-R", "u+w", copy]);
  await runLong("building jaeger", go, ["build", "-o", join(folder, "jaeger"), "./cmd/jaeger"], {
    cwd: copy,
  });
}

/** @returns the folder of the source in Go's cache */
async function download(go: string, cwd: string): Promise<string> {
  say(`fetching its source: go mod download ${JAEGER}`);
  const env = withoutNpm(process.env);
  try {
    const options = { cwd, env, timeout: DOWNLOAD_TIMEOUT_MS };
    const { stdout } = await run(go, ["mod", "download", "-json", JAEGER], options);
    return String(JSON.parse(stdout).Dir);
  } catch (error) {
    throw new Error(`go mod download ${JAEGER} failed: ${whyIn(error)}`, { cause: error });
  }
}

/** Go's own message from its JSON, if there is one. */
function whyIn(error: unknown): string {
  const stdout = error instanceof Error && "stdout" in error ? String(error.stdout) : "";
  try {
    return String(JSON.parse(stdout).Error);
  } catch {
    return error instanceof Error ? error.message : String(error);
  }
}

const GO_MIN: readonly [number, number] = [1, 26];

/**
 * The path of a Go that builds a tool.
 * @throws Error with an advice
 */
async function findGo(tool: string): Promise<string> {
  const [major, minor] = GO_MIN;
  const wanted = `Go >= ${major}.${minor} builds ${tool}; install it, or set ${TOOLS[tool]?.variable} to the path of a ${tool}`;
  const go = findExecutable("go", ["/usr/local/go/bin"]);
  if (go === undefined) throw new Error(`there is no Go here: ${wanted}`);
  const { stdout } = await run(go, ["env", "GOVERSION"]);
  if (!isNewEnough(stdout.trim())) throw new Error(`${go} is ${stdout.trim()}: ${wanted}`);
  return go;
}

/** @param version as in `go1.26.8`; an unreadable version counts as new enough */
function isNewEnough(version: string): boolean {
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined) return true;
  return Number(major) > GO_MIN[0] || Number(minor) >= GO_MIN[1];
}

/** Files of a package by their paths in it, and their new names. */
type DebianFiles = Readonly<Record<string, string>>;

/**
 * Extracts programs from a package of Debian or Ubuntu, without an installation and without root.
 * @param folder gets the programs
 * @throws Error with an advice
 */
async function fromDebian(name: string, files: DebianFiles, folder: string): Promise<void> {
  const [apt, dpkg] = ["apt-get", "dpkg-deb"].map((program) => findExecutable(program));
  if (apt === undefined || dpkg === undefined) throw new Error(adviceElsewhere(Object.values(files)));
  const options = ownFolders(join(folder, "apt"));
  await runLong(`reading the lists of packages`, apt, [...options, "-q", "update"], { cwd: folder });
  await runLong(`fetching ${name}`, apt, [...options, "-q", "download", name], { cwd: folder });
  const archive = readdirSync(folder).find((file) => file.endsWith(".deb"));
  if (archive === undefined) throw new Error(`apt-get download ${name} left no package behind`);
  await run(dpkg, ["-x", archive, "unpacked"], { cwd: folder });
  for (const [from, to] of Object.entries(files))
    renameSync(join(folder, "unpacked", from), join(folder, to));
}

/** apt-get's own folders belong to root. */
function ownFolders(home: string): string[] {
  for (const path of ["lists/partial", "cache/archives/partial"])
    mkdirSync(join(home, path), { recursive: true });
  const settings = {
    "Dir::State::Lists": join(home, "lists"),
    "Dir::Cache": join(home, "cache"),
    // Otherwise root switches to another user, which cannot enter our folders.
    "APT::Sandbox::User": "root",
    "Acquire::Retries": "3",
  };
  return Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
}

function adviceElsewhere(tools: readonly string[]): string {
  const variables = tools.map((tool) => TOOLS[tool]?.variable).join(" and ");
  return `there is no apt-get here; install ${tools.join(" and ")} as this system does, on the PATH, or set ${variables} to their paths`;
}

const SAY_EVERY_MS = 10_000;

/**
 * Runs a long command. Shows its output, and reports every ten seconds that it still runs.
 * @throws Error when it fails
 */
async function runLong(
  doing: string,
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): Promise<void> {
  const started = performance.now();
  say(`${doing}: ${[command, ...args].join(" ")}`);
  const beat = setInterval(() => {
    say(`${doing}: ${Math.round((performance.now() - started) / 1000)} s so far`);
  }, SAY_EVERY_MS);
  try {
    await runTool(command, args, { cwd: options.cwd, env: { ...withoutNpm(process.env), ...options.env } });
  } finally {
    clearInterval(beat);
  }
}
