import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { runTool, withoutNpm } from "./run-child.mjs";
import { say } from "./say.mjs";

/** True when node_modules was installed from the current lock file. */
export function packagesAreInstalled(root) {
  try {
    return readFileSync(stampOf(root), "utf8") === hashOfLock(root);
  } catch {
    return false;
  }
}

/** Installs the workspace's packages exactly from the lock file. */
export async function installPackages(root, { node, pnpm }) {
  say("installing packages");
  const hash = hashOfLock(root);
  const environment = withoutNpm(process.env);
  const env = { ...environment, CI: "true", PATH: `${dirname(node)}:${environment.PATH ?? ""}` };
  await runTool(node, [pnpm, "install", "--frozen-lockfile", "--reporter=append-only"], { cwd: root, env });
  writeFileSync(stampOf(root), hash);
}

/** In node_modules, so that it is deleted together with them. */
function stampOf(root) {
  return join(root, "node_modules", ".scbe-installed");
}

function hashOfLock(root) {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}\n`);
  for (const name of ["pnpm-lock.yaml", "pnpm-workspace.yaml"]) hash.update(readFileSync(join(root, name)));
  return hash.digest("hex");
}
