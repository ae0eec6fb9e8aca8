import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  environmentVariables,
  opsVariables,
  transportOf,
  transportVariables,
  windowVariables,
} from "@scbe/bus";
import { createTempDir, type TempDir } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defineConfig, readConfig } from "./read-config.ts";
import { choice, integer, text, url } from "./variables.ts";

const doc = "What it is for.";
const spec = defineConfig({
  PORT: integer({ default: 7100, min: 0, max: 65_535, doc }),
  LEVEL: choice(["info", "debug"], { default: "info", doc }),
  NAME: text({ doc, pattern: /^[a-z]+$/, expected: "lower-case letters" }),
  LABEL: text({ doc, optional: true }),
  STORE: url({ schemes: ["redis"], secret: true, optional: true, doc }),
});

const problemsOf = (env: Record<string, string>): readonly string[] => {
  const reading = readConfig(spec, env);
  return reading.ok ? [] : reading.problems;
};

describe("a configuration", () => {
  it("has the values that are set, then defaults, then nothing for optional variables", () => {
    const reading = readConfig(spec, { NAME: "abc", PORT: "1" });
    expect(reading).toEqual({
      ok: true,
      config: { PORT: 1, LEVEL: "info", NAME: "abc", LABEL: undefined, STORE: undefined },
    });
  });

  it("treats an empty value as unset", () => {
    expect(readConfig(spec, { NAME: "abc", PORT: "", LABEL: "", STORE: "" })).toMatchObject({
      ok: true,
      config: { PORT: 7100, LABEL: undefined },
    });
    expect(problemsOf({ NAME: "" })).toEqual(["NAME: is not set; expected lower-case letters"]);
  });

  it("reports all problems at once: the variable, what is wrong, what is expected", () => {
    expect(problemsOf({ PORT: "no", LEVEL: "loud" })).toEqual([
      'PORT: "no" is not a decimal integer; expected an integer from 0 to 65535',
      'LEVEL: "loud" is not one of them; expected one of info, debug',
      "NAME: is not set; expected lower-case letters",
    ]);
  });

  it("quotes no more than the beginning of a long value", () => {
    expect(problemsOf({ NAME: `A${"b".repeat(10_000)}` })[0]?.length).toBeLessThan(400);
  });

  it("checks a variable against others, if those are readable", () => {
    const window = defineConfig(windowVariables);
    const env = { SCBE_MAX_CLOCK_SKEW_SECONDS: "200", SCBE_SKEW_LIMIT_SECONDS: "100" };
    expect(readConfig(window, env)).toEqual({
      ok: false,
      problems: ["SCBE_MAX_CLOCK_SKEW_SECONDS: 200 exceeds SCBE_SKEW_LIMIT_SECONDS (100)"],
    });
    expect(readConfig(window, { ...env, SCBE_REPLAY_WINDOW_SECONDS: "x" })).toMatchObject({
      problems: [
        expect.stringContaining("SCBE_REPLAY_WINDOW_SECONDS"),
        expect.stringContaining("200 exceeds SCBE_SKEW_LIMIT_SECONDS (100)"),
      ],
    });
    expect(readConfig(window, { ...env, SCBE_SKEW_LIMIT_SECONDS: "x" })).toMatchObject({
      problems: [expect.stringContaining("SCBE_SKEW_LIMIT_SECONDS: ")],
    });
  });
});

describe("a secret", () => {
  let dir: TempDir;
  let file: string;
  beforeEach(() => {
    dir = createTempDir();
    file = join(dir.path, "secret");
    writeFileSync(file, "redis://:hunter2@host\n", { mode: 0o600 });
  });
  afterEach(() => dir[Symbol.dispose]());
  const fromFile = (path: string) => readConfig(spec, { NAME: "abc", STORE_FILE: path });

  it("is never part of a problem", () => {
    const [problem] = problemsOf({ NAME: "abc", STORE: "http://:hunter2@host" });
    expect(problem).toBe("STORE: its value has another scheme; expected a URL with scheme redis");
  });

  it("is also read from the file that <NAME>_FILE names, without the line's end", () => {
    expect(fromFile(file)).toMatchObject({ ok: true, config: { STORE: "redis://:hunter2@host" } });
  });

  it("is not part of a problem with the content of its file", () => {
    writeFileSync(file, "hunter2");
    expect(JSON.stringify(fromFile(file))).toContain("STORE: its value is not a URL");
    expect(JSON.stringify(fromFile(file))).not.toContain("hunter2");
  });

  it("may not be set in both ways", () => {
    const reading = readConfig(spec, { NAME: "abc", STORE: "redis://host", STORE_FILE: file });
    expect(reading).toMatchObject({ problems: ["STORE: is set, and STORE_FILE too; set one of them"] });
  });

  it("is the only kind of variable that has a file", () => {
    writeFileSync(file, "abc");
    expect(problemsOf({ NAME_FILE: file })).toEqual(["NAME: is not set; expected lower-case letters"]);
  });

  it.each([
    ["is missing", (path: string) => `${path}-none`, "names a file that does not exist"],
    ["is a folder", (path: string) => makeFolder(`${path}-folder`), "does not name a file"],
    ["is readable by others", (path: string) => change(path, 0o644), "names a file that others may read"],
    ["is empty", (path: string) => write(path, " \n"), "names an empty file"],
    ["is huge", (path: string) => write(path, "x".repeat(70_000)), "names a file that is too large"],
  ])("is refused from a file that %s", (_name, prepare, problem) => {
    expect(fromFile(prepare(file))).toMatchObject({
      ok: false,
      problems: [expect.stringMatching(`^STORE: STORE_FILE ".*" ${problem}`)],
    });
  });
});

describe("the transport's variables", () => {
  const transport = defineConfig(transportVariables);
  let dir: TempDir;
  let file: string;
  beforeEach(() => {
    dir = createTempDir();
    file = join(dir.path, "file");
    writeFileSync(file, "x", { mode: 0o600 });
  });
  afterEach(() => dir[Symbol.dispose]());

  it("make a transport", () => {
    const reading = readConfig(transport, {
      NATS_URL: "nats://a:4222, tls://b:4222",
      NATS_NKEY_SEED_FILE: file,
      NATS_TLS_CA: file,
      NATS_TLS_CERT: file,
      NATS_TLS_KEY: file,
    });
    expect(reading.ok && transportOf(reading.config)).toEqual({
      servers: ["nats://a:4222", "tls://b:4222"],
      nkeySeedFile: file,
      tlsCaFile: file,
      tlsCertFile: file,
      tlsKeyFile: file,
    });
  });

  it.each([
    ["a password in the URL", { NATS_URL: "nats://user:pass@host:4222" }, "NATS_URL"],
    ["another scheme", { NATS_URL: "http://host" }, "NATS_URL"],
    [
      "two identities",
      { NATS_CREDS: "FILE", NATS_NKEY_SEED_FILE: "FILE" },
      "NATS_CREDS: is set, and NATS_NKEY_SEED_FILE too",
    ],
    ["a certificate without its key", { NATS_TLS_CERT: "FILE" }, "NATS_TLS_CERT: needs NATS_TLS_KEY"],
    ["a key without its certificate", { NATS_TLS_KEY: "FILE" }, "NATS_TLS_KEY: needs NATS_TLS_CERT"],
  ])("refuse %s", (_name, env, problem) => {
    const withFiles = Object.fromEntries(
      Object.entries(env).map(([name, value]) => [name, value === "FILE" ? file : value]),
    );
    expect(readConfig(transport, withFiles)).toMatchObject({
      ok: false,
      problems: [expect.stringContaining(problem)],
    });
  });

  it("refuse a seed that others may read", () => {
    chmodSync(file, 0o644);
    expect(readConfig(transport, { NATS_NKEY_SEED_FILE: file })).toMatchObject({
      ok: false,
      problems: [expect.stringContaining("NATS_NKEY_SEED_FILE")],
    });
  });
});

describe("the intents of a deployment", () => {
  it("cannot have a name that SCBE reserves", () => {
    const intents = defineConfig(environmentVariables);
    expect(readConfig(intents, { SCBE_INTENTS: "chat,scbe-opening-token" })).toMatchObject({
      ok: false,
      problems: [expect.stringMatching(/SCBE_INTENTS.*scbe-opening-token/)],
    });
    expect(readConfig(intents, { SCBE_INTENTS: "chat,scbe" })).toMatchObject({ ok: true });
  });
});

describe("every group of variables", () => {
  it("has valid defaults", () => {
    const all = defineConfig({
      ...environmentVariables,
      ...windowVariables,
      ...transportVariables,
      ...opsVariables(7101),
    });
    expect(readConfig(all, {})).toMatchObject({
      ok: true,
      config: { SCBE_ENVIRONMENT: "dev", SCBE_REPLAY_WINDOW_SECONDS: 300, SCBE_OPS_PORT: 7101 },
    });
  });
});

function makeFolder(path: string): string {
  mkdirSync(path);
  return path;
}

function change(path: string, mode: number): string {
  chmodSync(path, mode);
  return path;
}

function write(path: string, content: string): string {
  writeFileSync(path, content);
  return path;
}
