import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir, startNats } from "@scbe/testkit";
import { describe, expect, test } from "vitest";
import { startHttpServer } from "../test/http-server.ts";
import { runProgram, startProgram, startUnderParent } from "../test/programs.ts";

const STACK = /^\s+at /m;

describe("a misconfigured program prints all problems and exits with 78, without a stack trace:", () => {
  test.each([
    [
      "gateway",
      { SCBE_OPS_PORT: "x" },
      ["SCBE_KEYRING_PUBLIC_KEY", "SCBE_GATEWAY_PROVIDER", "SCBE_OPS_PORT"],
    ],
    ["orchestrator", { NATS_URL: "http://x" }, ["SCBE_KEYRING_PUBLIC_KEY", "NATS_URL"]],
    ["stand-in", { SCBE_STAND_IN_PORT: "-1" }, ["SCBE_STAND_IN_PORT"]],
  ] as const)("%s", async (program, env, names) => {
    const { code, stdout, stderr } = await runProgram(program, env);
    expect(code).toBe(78);
    expect(stdout).toBe("");
    for (const name of names) expect(stderr).toContain(`  ${name}: `);
    expect(stderr).not.toMatch(STACK);
  });
});

describe("the stand-in", () => {
  test("prints its address, and exits with 0 on TERM", async () => {
    await using standIn = startProgram("stand-in", { SCBE_STAND_IN_PORT: "0" });
    const [, url] = await standIn.output(/"url":"(http:\/\/127\.0\.0\.1:\d+)","msg":"serving"/);
    expect((await fetch(`${url}/openai/v1/chat/completions`, { method: "POST" })).status).toBe(401);
    standIn.signal("SIGTERM");
    expect(await standIn.exited).toEqual({ code: 0, signal: null });
  });

  test("exits when its parent is killed", async () => {
    await using parent = startUnderParent("stand-in", { SCBE_STAND_IN_PORT: "0" });
    await parent.output(/"serving"/);
    parent.signal("SIGKILL");
    // Parent and child share the output, so it ends with the last of both.
    await parent.exited;
  });

  test("reports a taken port, and the variable that sets it", async () => {
    await using taken = await startHttpServer(() => undefined);
    const { code, stderr } = await runProgram("stand-in", { SCBE_STAND_IN_PORT: new URL(taken.url).port });
    expect(code).toBe(1);
    expect(stderr).toMatch(/CONFLICT: port 127\.0\.0\.1:\d+ cannot be listened on; set SCBE_STAND_IN_PORT/);
    expect(stderr).not.toMatch(STACK);
  });
});

const variables = {
  SCBE_KEYRING_PUBLIC_KEY: "UAAPL5PQXDJXR7OM7DTNMVJERFN44V5T3MIPVNZPGI4PGGOIPSDTJL5M",
  SCBE_GATEWAY_PROVIDER: "openai",
};

describe("a gateway", () => {
  test("that waits for its bus is not ready, and exits with 0 on TERM", async () => {
    const nowhere = { NATS_URL: "nats://127.0.0.1:1" };
    await using gateway = startProgram("gateway", { ...variables, ...nowhere });
    const [, port] = await gateway.output(/"opsPort":(\d+)/);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
    expect([ready.status, await ready.json()]).toMatchObject([503, { ready: false }]);
    gateway.signal("SIGTERM");
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
  });

  test("without an nkey reports that and exits with 78, without a stack trace", async () => {
    await using nats = await startNats();
    const { code, stderr } = await runProgram("gateway", { ...variables, NATS_URL: nats.url });
    expect(code).toBe(78);
    expect(stderr).toMatch(/BAD_REQUEST: .*NATS_NKEY_SEED_FILE/);
    expect(stderr).not.toMatch(STACK);
  });
});

describe("the orchestrator", () => {
  test("prints its help and exits with 0", async () => {
    const { code, stdout } = await runProgram("orchestrator", {}, ["--help"]);
    expect([code, stdout]).toEqual([0, expect.stringContaining("--requests FILE")]);
  });

  test("refuses unknown options with exit code 2, without a stack trace", async () => {
    const { code, stdout, stderr } = await runProgram("orchestrator", {}, ["--bogus"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("--bogus");
    expect(stderr).not.toMatch(STACK);
  });

  test("names the line of a malformed request, and exits with 2", async () => {
    using dir = createTempDir();
    const file = join(dir.path, "requests.jsonl");
    writeFileSync(file, "\nno json\n");
    const { code, stderr } = await runProgram("orchestrator", {}, ["--requests", file]);
    expect(code).toBe(2);
    expect(stderr).toContain(`${file}: line 2: is not JSON`);
  });
});
