import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findServer, findTool, natsVersions, requireTool } from "./find-tool.ts";
import { createTempDir, type TempDir } from "./temp-dir.ts";

let dir: TempDir;
beforeEach(() => {
  dir = createTempDir();
});
afterEach(() => dir[Symbol.dispose]());

function program(name: string): string {
  const path = join(dir.path, name);
  writeFileSync(path, "");
  chmodSync(path, 0o700);
  return path;
}

describe("a third-party program", () => {
  it("is the value of its variable, before all others", () => {
    const named = program("mine");
    program("promtool");
    expect(findTool("promtool", { PATH: dir.path, SCBE_PROMTOOL: named })).toBe(named);
  });

  it("is an error when its variable names nothing that can be run, not silently another program", () => {
    const env = { PATH: dir.path, SCBE_PROMTOOL: "/nowhere" };
    program("promtool");
    expect(() => findTool("promtool", env)).toThrow("SCBE_PROMTOOL names /nowhere, which cannot be run");
    expect(() => requireTool("promtool", env)).toThrow("cannot be run");
  });

  it("is the first one on the PATH, under its upstream name or Debian's", () => {
    const upstream = program("alertmanager");
    expect(findTool("alertmanager", { PATH: `/nowhere:${dir.path}` })).toBe(upstream);
    const debian = program("prometheus-alertmanager");
    expect(findTool("alertmanager", { PATH: dir.path })).toBe(debian);
  });

  it("is found in the folders of packages when it is not on the PATH", () => {
    const path = program("jaeger");
    expect(findTool("jaeger", { PATH: "/nowhere" }, ["/nowhere", dir.path])).toBe(path);
  });

  it("is no error when a test can skip, and is one under SCBE_REQUIRE_ALL=1", () => {
    const path = program("amtool");
    expect(requireTool("amtool", { PATH: dir.path, SCBE_REQUIRE_ALL: "1" })).toEqual({ ok: true, path });
    const advice = "prometheus was not found; install it (npm run get prometheus) or set SCBE_PROMETHEUS";
    const reason = `${advice} to its path`;
    expect(requireTool("prometheus", { PATH: dir.path }, [])).toEqual({ ok: false, reason });
    const strict = { PATH: dir.path, SCBE_REQUIRE_ALL: "1" };
    expect(() => requireTool("prometheus", strict, [])).toThrow(reason);
  });
});

describe("the nats-servers that tests of the bus run on", () => {
  it("are the default one, and the one that SCBE_NATS_SERVER_NEXT names", () => {
    const program = findServer("nats-server");
    const version = expect.stringMatching(/^\d+\.\d+\.\d+$/);
    expect(natsVersions({ ...process.env, SCBE_NATS_SERVER_NEXT: program })).toEqual([
      { version, program },
      { version, program },
    ]);
  });

  it("are an error when the variable names nothing that can be run, not silently fewer", () => {
    expect(() => natsVersions({ ...process.env, SCBE_NATS_SERVER_NEXT: "/nowhere" })).toThrow(
      "SCBE_NATS_SERVER_NEXT names /nowhere, which cannot be run",
    );
  });
});
