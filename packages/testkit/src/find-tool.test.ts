import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findTool, requireTool } from "./find-tool.ts";
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

describe("a program of somebody else's", () => {
  it("is what its variable names, before all others", () => {
    const named = program("mine");
    program("promtool");
    expect(findTool("promtool", { PATH: dir.path, SCBE_PROMTOOL: named })).toBe(named);
  });

  it("is not quietly another one when its variable names nothing that can be run", () => {
    const env = { PATH: dir.path, SCBE_PROMTOOL: "/nowhere" };
    program("promtool");
    expect(() => findTool("promtool", env)).toThrow("SCBE_PROMTOOL names /nowhere, which cannot be run");
    expect(() => requireTool("promtool", env)).toThrow("cannot be run");
  });

  it("is the first one on the PATH, under its maker's name or Debian's", () => {
    const upstream = program("alertmanager");
    expect(findTool("alertmanager", { PATH: `/nowhere:${dir.path}` })).toBe(upstream);
    const debian = program("prometheus-alertmanager");
    expect(findTool("alertmanager", { PATH: dir.path })).toBe(debian);
  });

  it("is looked for where packages put it, too, when it is not on the PATH", () => {
    const path = program("jaeger");
    expect(findTool("jaeger", { PATH: "/nowhere" }, ["/nowhere", dir.path])).toBe(path);
  });

  it("is not an error where tests can do without it, and is one under SCBE_REQUIRE_ALL=1", () => {
    const path = program("amtool");
    expect(requireTool("amtool", { PATH: dir.path, SCBE_REQUIRE_ALL: "1" })).toEqual({ ok: true, path });
    const advice = "prometheus was not found; install it (npm run get prometheus) or set SCBE_PROMETHEUS";
    const reason = `${advice} to its path`;
    expect(requireTool("prometheus", { PATH: dir.path }, [])).toEqual({ ok: false, reason });
    const strict = { PATH: dir.path, SCBE_REQUIRE_ALL: "1" };
    expect(() => requireTool("prometheus", strict, [])).toThrow(reason);
  });
});
