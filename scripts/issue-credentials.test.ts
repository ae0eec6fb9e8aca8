import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createTempDir, findServer, type TempDir } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const SCRIPT = fileURLToPath(new URL("./issue-credentials.ts", import.meta.url));
let dir: TempDir;
let folder: string;
beforeEach(() => {
  dir = createTempDir();
  folder = join(dir.path, "credentials");
});
afterEach(() => dir[Symbol.dispose]());

const run = (args: readonly string[], env: Record<string, string> = {}) =>
  spawnSync(process.execPath, [SCRIPT, ...args], { encoding: "utf8", env });

describe("issue-credentials", () => {
  it("makes what every process of a deployment needs, and prints public nkeys only", () => {
    const args = [
      folder,
      "--orchestrators",
      "web,batch",
      "--gateways",
      "xai",
      "--store",
      join(dir.path, "store"),
    ];
    const { status, stdout } = run(args, {
      SCBE_ENVIRONMENT: "staging",
      SCBE_PROVIDERS: "openai,xai",
    });
    expect(status).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    for (const line of lines) expect(line).toMatch(/^U[A-Z2-7]{55} [a-z.-]+$/);
    expect(lines.map((line) => line.split(" ")[1])).toEqual(
      expect.arrayContaining(["keyring", "web", "batch", "gateway-xai", "provision", "control.signing"]),
    );
    const config = join(folder, "nats.conf");
    expect(readFileSync(config, "utf8")).toMatch(/SCBE_STAGING \{/);
    expect(spawnSync(findServer("nats-server"), ["-t", "-c", config]).status).toBe(0);
  });

  it.each([
    ["without a folder", [], 2, "stdout", "node scripts/issue-credentials.ts FOLDER"],
    ["with an unknown option", ["FOLDER", "--what"], 2, "stderr", "--what"],
    ["with a certificate and no key", ["FOLDER", "--tls-cert", "/c.pem"], 2, "stderr", "need each other"],
    ["with a malformed name", ["FOLDER", "--orchestrators", "A B"], 1, "stderr", 'the user "A B"'],
  ] as const)("makes nothing %s, and says why without a stack trace", (_name, args, code, stream, text) => {
    const result = run(args.map((arg) => (arg === "FOLDER" ? folder : arg)));
    expect(result.status).toBe(code);
    expect(result[stream]).toContain(text);
    expect(result.stderr).not.toMatch(/\bat .*:\d+:\d+/);
    expect(existsSync(folder)).toBe(false);
  });

  it("names a variable that is malformed", () => {
    const { status, stderr } = run([folder], { SCBE_ENVIRONMENT: "test" });
    expect(status).toBe(78);
    expect(stderr).toContain("SCBE_ENVIRONMENT");
  });
});
