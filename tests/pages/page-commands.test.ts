import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CreateAliasCommand, CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import {
  createCertificates,
  createTempDir,
  eventually,
  installMoto,
  type RunningProcess,
  startMoto,
  startProcess,
  startRedis,
} from "@scbe/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");
const SERVICES = ["keyring", "replay-guard", "trust-scorer", "rollback-controller", "envelope"];
const moto = await installMoto();

const stack = new AsyncDisposableStack();
/** What the pages name, and what it is here. */
const here = new Map<string, string>();
let folder: string;
let environment: Readonly<Record<string, string>>;

/** The shell commands of a page, in order. */
function commandsOf(page: string): string[] {
  const text = readFileSync(join(ROOT, "docs", page), "utf8");
  return [...text.matchAll(/^( *)```sh\n([\s\S]*?)^ *```/gm)].map(([, indent = "", code = ""]) =>
    code.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  );
}

function commandWith(page: string, part: string): string {
  const found = commandsOf(page).find((command) => command.includes(part));
  if (found === undefined) throw new Error(`docs/${page} has no command with ${part}`);
  const command = found.replace(/^nats-server /m, "exec nats-server ");
  return [...here].reduce((text, [name, real]) => text.replaceAll(name, real), command);
}

/** The page's command, with its addresses and files replaced by those of this test. */
function start(page: string, part: string): RunningProcess {
  return startProcess("sh", ["-ec", commandWith(page, part)], { cwd: ROOT, bareEnv: true, env: environment });
}

async function run(page: string, part: string): Promise<string> {
  await using started = start(page, part);
  expect([await started.exited, started.stderr]).toEqual([{ code: 0, signal: null }, expect.anything()]);
  return started.stdout;
}

beforeAll(async () => {
  if (!moto.ok) return;
  folder = stack.adopt(createTempDir(), (it) => it[Symbol.dispose]()).path;
  const files = createCertificates(folder);
  const redis = stack.use(
    await startRedis({ tls: { cert: files.serverCert, key: files.serverKey, ca: files.ca } }),
  );
  const kms = stack.use(await startMoto());
  environment = { PATH: process.env.PATH ?? "", ...kms.env, SCBE_OPS_PORT: "0", SCBE_CONTROL_API_PORT: "0" };
  for (const token of ["admin", "emergency"])
    writeFileSync(join(folder, `${token}.token`), `the-${token}-token-of-this-test\n`, { mode: 0o600 });
  mkdirSync(join(folder, "nats"));
  for (const [name, real] of [
    ["/secure/scbe", join(folder, "scbe")],
    ["/secure/ca.crt", files.ca],
    ["/secure/nats.crt", files.serverCert],
    ["/secure/nats.key", files.serverKey],
    ["/secure/api.crt", files.serverCert],
    ["/secure/api.key", files.serverKey],
    ["/secure/admin.token", join(folder, "admin.token")],
    ["/secure/emergency.token", join(folder, "emergency.token")],
    ["/var/lib/nats", join(folder, "nats")],
    ["-a 0.0.0.0 -p 4222", "-a 127.0.0.1 -p -1"],
    ["rediss://redis:6379", redis.url],
  ] as const)
    here.set(name, real);
  await makeKey(kms.env);
}, 300_000);
afterAll(() => stack.disposeAsync());

async function makeKey(env: Readonly<Record<string, string>>): Promise<void> {
  const client = new KMSClient({
    region: "eu-central-1",
    endpoint: env.AWS_ENDPOINT_URL_KMS ?? env.AWS_ENDPOINT_URL ?? "",
    credentials: {
      accessKeyId: env.AWS_ACCESS_KEY_ID ?? "",
      secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? "",
    },
  });
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}));
  const TargetKeyId = KeyMetadata?.KeyId;
  await client.send(new CreateAliasCommand({ AliasName: "alias/scbe", TargetKeyId }));
  client.destroy();
}

test.skipIf(!moto.ok)(
  "the commands of docs/services.md bring up all five services in production settings",
  async () => {
    await run("services.md", "issue-credentials.ts");
    const nats = stack.use(start("services.md", "nats-server -c"));
    const [, port = ""] = await nats.output(/Listening for client connections on 127\.0\.0\.1:(\d+)/);
    here.set("tls://nats:4222", `tls://127.0.0.1:${port}`);
    await run("services.md", "provision.ts");
    const started = SERVICES.map((name) => stack.use(start("services.md", `services/${name}/src/main.ts`)));
    await Promise.all(started.map(untilReady));
  },
  180_000,
);

async function untilReady(service: RunningProcess): Promise<void> {
  const [, port] = await service.output(/"opsPort":(\d+)/, { timeoutMs: 60_000 });
  await eventually(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok, { timeoutMs: 60_000 });
}

test.skipIf(!moto.ok)(
  "the commands of docs/change.md add a provider, an intent and a caller",
  async () => {
    const fileOf = (name: string): string => readFileSync(join(folder, "scbe", name), "utf8");
    await run("change.md", "SCBE_PROVIDERS=openai,anthropic,mistral");
    expect(fileOf("gateway-mistral.env")).toContain("mistral");
    await run("change.md", "SCBE_INTENTS=chat,embed");
    expect(fileOf("gateway-openai.env")).toMatch(/SCBE_INTENTS="?chat,embed/);
    await run("change.md", "issue-credentials.ts add");
    expect(await run("change.md", "issue-credentials.ts list")).toContain("reports");
    expect(fileOf("reports.env")).toMatch(/SCBE_INTENTS="?chat/);
  },
  120_000,
);
