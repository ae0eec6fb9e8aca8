import { fileURLToPath } from "node:url";
import { createTempDir, startProcess } from "@scbe/testkit";
import { describe, expect, test } from "vitest";

/** The bootstrap is plain JavaScript for Node 20: it runs in processes of its own. */
async function run(script: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const cwd = fileURLToPath(new URL(".", import.meta.url));
  const args = ["--input-type=module", "-e", script];
  await using child = startProcess(process.execPath, args, { cwd, env, bareEnv: true });
  const { code } = await child.exited;
  if (code !== 0) throw new Error(child.stderr);
  return child.stdout;
}

describe("npm's own variables", () => {
  test("for flags of the project are read as flags", async () => {
    const script = `import { npmFlags } from "./run-child.mjs"; console.log(npmFlags(["once", "json"]).join(" "));`;
    expect(await run(script, { npm_config_once: "true" })).toBe("--once\n");
    expect(await run(script, { npm_config_once: "true", npm_config_json: "true" })).toBe("--once --json\n");
    expect(await run(script)).toBe("\n");
  });

  test("do not reach child processes, except those for registries", async () => {
    const env = {
      npm_lifecycle_event: "start",
      npm_config_prefix: "/somewhere",
      NPM_CONFIG_LOGLEVEL: "silent",
      npm_config_registry: "http://127.0.0.1:1",
      npm_config_cafile: "/ca.pem",
      OTHER: "stays",
    };
    const script = `import { withoutNpm } from "./run-child.mjs"; console.log(Object.keys(withoutNpm(process.env)).sort().join(" "));`;
    expect(await run(script, env)).toBe("OTHER npm_config_cafile npm_config_registry\n");
  });
});

describe("two first starts at once", () => {
  const install = (folder: string, name: string): string => `
    import { appendFileSync } from "node:fs";
    import { setTimeout as delay } from "node:timers/promises";
    import { withLock } from "./with-lock.mjs";
    await withLock(${JSON.stringify(folder)}, async () => {
      appendFileSync(${JSON.stringify(`${folder}/log`)}, "begin ${name}\\n");
      await delay(200);
      appendFileSync(${JSON.stringify(`${folder}/log`)}, "end ${name}\\n");
    });
    const { readFileSync } = await import("node:fs");
    console.log(readFileSync(${JSON.stringify(`${folder}/log`)}, "utf8"));`;

  test("install one after the other", async () => {
    using dir = createTempDir();
    const [one, two] = await Promise.all(["a", "b"].map((name) => run(install(dir.path, name))));
    const log = [one ?? "", two ?? ""].sort((left, right) => right.length - left.length)[0];
    expect(log).toMatch(/^begin (.)\nend \1\nbegin (.)\nend \2\n\n$/);
  });
});
