import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  createCertificates,
  createTempDir,
  findServer,
  natsVersions,
  startNats,
  type TempDir,
} from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const SCRIPT = fileURLToPath(new URL("./main.ts", import.meta.url));
let dir: TempDir;
let folder: string;
beforeEach(() => {
  dir = createTempDir();
  folder = join(dir.path, "credentials");
});
afterEach(() => dir[Symbol.dispose]());

const run = (args: readonly string[], env: Record<string, string> = {}) =>
  spawnSync(process.execPath, [SCRIPT, ...args.map((arg) => (arg === "FOLDER" ? folder : arg))], {
    encoding: "utf8",
    env,
  });
const done = (args: readonly string[], env: Record<string, string> = {}): string => {
  const { status, stdout, stderr } = run(args, env);
  expect({ args, status, stderr }).toMatchObject({ args, status: 0 });
  return stdout;
};
const SMALL = { SCBE_PROVIDERS: "openai,xai" };

describe("issue-credentials make", () => {
  it("makes what every process of a deployment needs, and prints public nkeys only", () => {
    const store = join(dir.path, "store");
    const args = ["FOLDER", "--orchestrators", "web,batch", "--gateways", "xai", "--store", store];
    const lines = done(args, { ...SMALL, SCBE_ENVIRONMENT: "staging" })
      .trimEnd()
      .split("\n");
    for (const line of lines) expect(line).toMatch(/^U[A-Z2-7]{55} [a-z.-]+$/);
    expect(lines.map((line) => line.split(" ")[1])).toEqual(
      expect.arrayContaining(["keyring", "web", "batch", "gateway-xai", "control.signing"]),
    );
    const config = join(folder, "nats.conf");
    expect(readFileSync(config, "utf8")).toMatch(/SCBE_STAGING \{/);
    expect(spawnSync(findServer("nats-server"), ["-t", "-c", config]).status).toBe(0);
  });

  it("makes a folder again with its former options and the new arguments", () => {
    done(["FOLDER", "--orchestrators", "web,batch", "--gateways", "xai"], {
      ...SMALL,
      SCBE_FALLBACK: "allow",
    });
    const before = readFileSync(join(folder, "nats.conf"), "utf8");
    done(["make", "FOLDER"]);
    expect(readFileSync(join(folder, "nats.conf"), "utf8")).toBe(before);
    done(["FOLDER", "--orchestrators", "web"]);
    const { users } = JSON.parse(done(["list", "FOLDER", "--json"]));
    expect(users.map(({ name }: { name: string }) => name)).toEqual([
      ...["keyring", "envelope", "replay-guard", "rollback-controller", "trust-scorer"],
      ...["web", "gateway-xai", "operator"],
    ]);
    expect(existsSync(join(folder, "batch.seed"))).toBe(false);
  });

  it("makes a configuration with JWTs that nats-server takes, and prints no private key", () => {
    const tls = createCertificates(dir.path);
    const files = ["--tls-cert", tls.serverCert, "--tls-key", tls.serverKey, "--tls-ca", tls.ca];
    const { status, stdout, stderr } = run(["FOLDER", "--jwt", ...files], SMALL);
    expect(status).toBe(0);
    expect(stdout + stderr).not.toMatch(/\bS[UAO][A-Z2-7]{56}\b/);
    const config = join(folder, "nats.conf");
    for (const { program } of natsVersions()) {
      if (program === undefined) continue;
      expect(spawnSync(program, ["-t", "-c", config], { encoding: "utf8" })).toMatchObject({ status: 0 });
    }
    expect(readFileSync(config, "utf8")).toMatch(/^jetstream \{/m);
  });

  it("makes the commands of nsc for the user's own operator, without a secret", () => {
    const { stderr } = run(["FOLDER", "--nsc"], SMALL);
    expect(stderr).toContain(`sh ${folder}/nsc.sh`);
    const script = readFileSync(join(folder, "nsc.sh"), "utf8");
    expect(script).toContain("nsc add account --name SCBE_DEV_KEYRING");
    expect(script).not.toMatch(/\bS[UAO][A-Z2-7]{56}\b/);
    expect(spawnSync("sh", ["-n", join(folder, "nsc.sh")]).status).toBe(0);
    expect(existsSync(join(folder, "nats.conf"))).toBe(false);
  });
});

describe("issue-credentials", () => {
  it("adds, changes, lists and removes one user, and asks for a reload of nats-server", () => {
    done(["FOLDER"], SMALL);
    const added = done([
      "add",
      "FOLDER",
      "batch",
      "--role",
      "orchestrator",
      "--providers",
      "xai",
      "--intents",
      "chat",
    ]);
    expect(added).toMatch(/^added U\w{55} batch orchestrator xai chat\nnats\.conf has changed: .*SIGHUP/);
    expect(readFileSync(join(folder, "batch.env"), "utf8")).toContain("SCBE_INTENTS=chat\n");
    expect(readFileSync(join(folder, "nats.conf"), "utf8")).toContain("# batch (orchestrator)");
    const changed = JSON.parse(done(["change", "FOLDER", "batch", "--intents", "all", "--json"]));
    expect(changed).toMatchObject({ changed: { name: "batch", providers: ["xai"] }, server: "reload" });
    expect(done(["list", "FOLDER"])).toMatch(/^U\w{55} batch orchestrator xai all$/m);
    done(["remove", "FOLDER", "batch"]);
    expect(done(["list", "FOLDER"])).not.toContain("batch");
    expect(existsSync(join(folder, "batch.seed"))).toBe(false);
    expect(readFileSync(join(folder, "nats.conf"), "utf8")).not.toContain("batch");
  });

  it("prints nsc's commands for that user if another operator makes the accounts", () => {
    done(["FOLDER", "--nsc"], SMALL);
    const added = done(["add", "FOLDER", "batch", "--role", "orchestrator", "--providers", "xai"]);
    expect(added).toMatch(
      /nsc add user --account SCBE_DEV --name batch --public-key U\w{55} -K orchestrator --tag provider:xai\n/,
    );
    expect(done(["remove", "FOLDER", "batch"])).toMatch(/\nnsc push --account SCBE_DEV\n$/);
  });

  it.each([
    ["without a folder", [], 2, "stdout", "node scripts/issue-credentials.ts [make] FOLDER"],
    ["with an unknown option", ["FOLDER", "--what"], 2, "stderr", "--what"],
    ["with a certificate and no key", ["FOLDER", "--tls-cert", "/c.pem"], 2, "stderr", "need each other"],
    ["with two renderings", ["FOLDER", "--jwt", "--nsc"], 2, "stderr", "exclude each other"],
    ["with two folders", ["FOLDER", "FOLDER"], 2, "stderr", "takes FOLDER alone"],
    ["for one user without its name", ["remove", "FOLDER"], 2, "stderr", "takes FOLDER and USER"],
    [
      "with another command's option",
      ["remove", "FOLDER", "a", "--role", "gateway"],
      2,
      "stderr",
      "takes no --role",
    ],
    ["for a user with a service's role", ["add", "FOLDER", "a", "--role", "keyring"], 2, "stderr", "--role"],
    ["for a change of nothing", ["change", "FOLDER", "a"], 2, "stderr", "--providers or --intents"],
    ["when it is to push nowhere", ["push", "FOLDER"], 2, "stderr", "needs --server"],
    ["with a malformed name", ["FOLDER", "--orchestrators", "A B"], 1, "stderr", 'the user "A B"'],
    ["of one user without a deployment", ["remove", "FOLDER", "a"], 1, "stderr", "holds no deployment"],
  ] as const)("makes nothing %s, and says why without a stack trace", (_name, args, code, stream, text) => {
    const result = run(args);
    expect(result.status).toBe(code);
    expect(result[stream]).toContain(text);
    expect(result.stderr).not.toMatch(/\bat .*:\d+:\d+/);
    expect(existsSync(folder)).toBe(false);
  });

  it("names a variable that is malformed", () => {
    const { status, stderr } = run(["FOLDER"], { SCBE_ENVIRONMENT: "test" });
    expect(status).toBe(78);
    expect(stderr).toContain("SCBE_ENVIRONMENT");
  });
});

describe("issue-credentials with JWTs", () => {
  it("pushes changes to a server over TLS with a certificate, and reports what is left if the server is away", async () => {
    const tls = createCertificates(dir.path);
    const serverFiles = ["--tls-cert", tls.serverCert, "--tls-key", tls.serverKey, "--tls-ca", tls.ca];
    done(["FOLDER", "--jwt", ...serverFiles], SMALL);
    await using server = await startNats({ configFile: join(folder, "nats.conf") });
    const url = server.url.replace("nats:", "tls:");
    const to = (address: string) => [
      ...["--server", address, "--ca", tls.ca, "--cert", tls.clientCert, "--key", tls.clientKey],
    ];
    const add = ["add", "FOLDER", "batch", "--role", "orchestrator", "--providers", "xai"];
    expect(JSON.parse(done([...add, "--json"]))).toMatchObject({ server: "nothing" });
    const changed = JSON.parse(
      done(["change", "FOLDER", "batch", "--providers", "openai", ...to(url), "--json"]),
    );
    expect(changed).toMatchObject({ changed: { providers: ["openai"] }, server: "pushed" });
    expect(changed.pushed).toContainEqual({ name: "SCBE_DEV", servers: [expect.any(String)] });

    const nowhere = run(["remove", "FOLDER", "batch", ...to("tls://127.0.0.1:1")]);
    expect(nowhere).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`push ${folder} --server URL`),
    });
    expect(nowhere.stderr).not.toMatch(/\bat .*:\d+:\d+/);
    expect(done(["push", "FOLDER", ...to(url)])).toMatch(/^pushed SCBE_DEV to /m);
    expect(run(["push", "FOLDER", "--server", url])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/: its certificate is not issued by a known authority; set --ca$/m),
    });
  }, 60_000);

  it("refuses a server for users with nkeys, before anything is changed", () => {
    done(["FOLDER"], SMALL);
    const args = ["remove", "FOLDER", "orchestrator", "--server", "nats://127.0.0.1:1"];
    expect(run(args)).toMatchObject({ status: 2, stderr: expect.stringContaining("--server") });
    expect(done(["list", "FOLDER"])).toContain("orchestrator");
  });
});
