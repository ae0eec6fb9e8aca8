import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { findExecutable, TOOLS } from "../bootstrap/tools.mjs";
import { runLong } from "./run-long.ts";

/** Files of a package that are taken, by their paths in it, and what they are called from then on. */
export type DebianFiles = Readonly<Record<string, string>>;

const run = promisify(execFile);

/**
 * Takes programs out of a package of Debian or Ubuntu, without installing it, and without being root.
 * @param folder gets the programs
 * @throws Error that says what to do
 */
export async function fromDebian(name: string, files: DebianFiles, folder: string): Promise<void> {
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

/** apt-get's own ones belong to root. */
function ownFolders(home: string): string[] {
  for (const path of ["lists/partial", "cache/archives/partial"])
    mkdirSync(join(home, path), { recursive: true });
  const settings = {
    "Dir::State::Lists": join(home, "lists"),
    "Dir::Cache": join(home, "cache"),
    // As root it would become another user, who may not enter our folders.
    "APT::Sandbox::User": "root",
    "Acquire::Retries": "3",
  };
  return Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
}

function adviceElsewhere(tools: readonly string[]): string {
  const variables = tools.map((tool) => TOOLS[tool]?.variable).join(" and ");
  return `there is no apt-get here; install ${tools.join(" and ")} as this system does, on the PATH, or set ${variables} to their paths`;
}
