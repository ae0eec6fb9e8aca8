import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir, type TempDir } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { getPackage } from "./get-package.ts";
import type { Package } from "./packages.ts";

let root: TempDir;
beforeEach(() => {
  root = createTempDir();
  vi.stubEnv("SCBE_JAEGER", "");
  vi.stubEnv("PATH", "/nowhere");
});
afterEach(() => {
  vi.unstubAllEnvs();
  root[Symbol.dispose]();
});

/** Brings a script as Jaeger, and counts how often. */
function packageOf(script: string): Package & { brought: number } {
  const made = {
    tools: ["jaeger"],
    doc: "",
    brought: 0,
    bring: async (folder: string) => {
      made.brought += 1;
      writeFileSync(join(folder, "jaeger"), script);
    },
  };
  return made;
}

const RUNS = "#!/bin/sh\necho version 2";

describe("a program of npm run get", () => {
  const path = (): string => join(root.path, ".cache", "bin", "jaeger");

  test("is in .cache/bin, and leaves nothing else behind", async () => {
    await getPackage(root.path, packageOf(RUNS));
    expect(existsSync(path())).toBe(true);
    expect(readdirSync(join(root.path, ".cache", "get"))).toEqual([]);
  });

  test("is brought once by two processes at once, and not again later", async () => {
    const jaeger = packageOf(RUNS);
    await Promise.all([getPackage(root.path, jaeger), getPackage(root.path, jaeger)]);
    await getPackage(root.path, jaeger);
    expect(jaeger.brought).toBe(1);
  });

  test("that does not run is not put there, and the error holds its output", async () => {
    const broken = packageOf("#!/bin/sh\necho no library >&2; exit 1");
    await expect(getPackage(root.path, broken)).rejects.toThrow(/jaeger does not run: no library/);
    expect(existsSync(path())).toBe(false);
    expect(readdirSync(join(root.path, ".cache", "get"))).toEqual([]);
  });
});
