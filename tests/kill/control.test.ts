import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Client } from "@scbe/client";
import { connectRawStore, eventually } from "@scbe/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readMetric } from "../kit/scrape.ts";
import { type System, startSystem, TOKENS } from "../kit/system.ts";

/** SCBE with its controller: keyring, guard, envelope service and controller run as processes of their own. */

let system: System;
let orchestrator: Client;
let gateway: Client;
let released = 0;

beforeAll(async () => {
  system = await startSystem({ providers: ["openai", "anthropic"], controller: true });
  gateway = await system.gateway("openai");
  orchestrator = await system.orchestrator();
  await gateway.serve({
    provider: "openai",
    handler: ({ body }) => {
      released += 1;
      return { body };
    },
  });
});
afterAll(async () => {
  await orchestrator?.[Symbol.asyncDispose]();
  await gateway?.[Symbol.asyncDispose]();
  await system?.[Symbol.asyncDispose]();
});

const REQUEST = {
  provider: "openai",
  model: "gpt-5",
  intent: "chat",
  body: Buffer.from("Hello"),
  timeoutMs: 5000,
};

const url = (path: string): string => `${system.controller?.apiUrl}${path}`;
const get = async (path: string) => (await fetch(url(path))).json() as Promise<Record<string, unknown>>;

/** Sends JSON under the default content type of curl. */
async function post(body: object, token: string): Promise<number> {
  const answer = await fetch(url("/feature-flags"), {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/x-www-form-urlencoded" },
    body: JSON.stringify(body),
  });
  return answer.status;
}

/** Longer than the takeover of a dead leader. */
const TAKEOVER_MS = 20_000;

const converged = (): Promise<unknown> =>
  eventually(
    async () => {
      const { verifiers } = await get("/health/scbe");
      const { total, converged } = verifiers as { total: number; converged: number };
      return total >= 3 && converged === total;
    },
    { timeoutMs: TAKEOVER_MS },
  );

test("one command switches everything off, and another one switches it on again", async () => {
  await orchestrator.request(REQUEST);
  await converged();
  // The keyring's next broadcast names it; one comes every two seconds.
  await eventually(async () => (await get("/health/scbe")).current_key_id !== null);
  expect(await get("/health/scbe")).toMatchObject({
    envelope_verification_enabled: true,
    current_key_id: expect.stringMatching(/./),
  });

  const kill = { scbe_kill_switch: { enabled: true, reason: "Emergency rollback - GCM failure spike" } };
  expect(await post(kill, TOKENS.EMERGENCY_TOKEN)).toBe(200);
  await converged();
  const before = released;
  await expect(orchestrator.request(REQUEST)).rejects.toMatchObject({ code: "SWITCHED_OFF" });
  expect(released).toBe(before);
  expect(await get("/health/scbe")).toMatchObject({ envelope_verification_enabled: false });
  expect(["disabled", "fallback"]).toContain((await get("/health/orchestrator")).envelope_mode);

  const release = { scbe_kill_switch: { enabled: false, reason: "mended" } };
  expect(await post(release, TOKENS.EMERGENCY_TOKEN)).toBe(403);
  expect(await post(release, TOKENS.ADMIN_TOKEN)).toBe(200);
  await converged();
  expect(Buffer.from((await orchestrator.request(REQUEST)).body).toString()).toBe("Hello");
});

test("a request in flight when a kill arrives gets no answer", async () => {
  const { promise: started, resolve: onStarted } = Promise.withResolvers<void>();
  const { promise: may, resolve: answer } = Promise.withResolvers<void>();
  await using slow = await system.gateway("anthropic");
  await slow.serve({
    provider: "anthropic",
    handler: async ({ body }) => {
      onStarted();
      await may;
      return { body };
    },
  });
  const asking = orchestrator.request({ ...REQUEST, provider: "anthropic" });
  asking.catch(() => undefined);
  await started;
  const kill = { scbe_kill_switch: { enabled: true, reason: "a test" } };
  expect(await post(kill, TOKENS.EMERGENCY_TOKEN)).toBe(200);
  await converged();
  answer();
  await expect(asking).rejects.toMatchObject({ name: "ScbeError" });
  expect(await post({ scbe_kill_switch: { enabled: false, reason: "over" } }, TOKENS.ADMIN_TOKEN)).toBe(200);
  await converged();
});

test("a verifier that stops signs off, and a kill does not wait for it", async () => {
  const total = async (): Promise<number> => {
    const { verifiers } = await get("/health/scbe");
    return (verifiers as { total: number }).total;
  };
  await converged();
  const before = await total();
  const another = await system.gateway("openai");
  await eventually(async () => (await total()) === before + 1);
  await another[Symbol.asyncDispose]();
  await eventually(async () => (await total()) === before, { timeoutMs: 1000 });
});

async function unstoredKills(): Promise<number> {
  if (system.controller === undefined) throw new Error("no controller");
  const values = await readMetric(system.controller, "scbe_control_unstored_kills");
  return [...values.values()].reduce((sum, value) => sum + value, 0);
}

test("a killed controller comes back with its last signed document", async () => {
  const kill = { scbe_kill_switch: { enabled: true, reason: "stands" } };
  expect(await post(kill, TOKENS.ADMIN_TOKEN)).toBe(200);
  const { generation } = await get("/health/scbe");
  // The API answers when the kill is broadcast. A restarted controller knows only the kill that is stored.
  await eventually(async () => (await unstoredKills()) === 0);
  await system.controller?.restart();
  expect(await get("/health/scbe")).toMatchObject({ envelope_verification_enabled: false, generation });
  await expect(orchestrator.request(REQUEST)).rejects.toMatchObject({ code: "SWITCHED_OFF" });
  await eventually(
    async () =>
      (await post({ scbe_kill_switch: { enabled: false, reason: "over" } }, TOKENS.ADMIN_TOKEN)) === 200,
    // Until the cluster counts the killed controller as gone.
    { timeoutMs: 20_000 },
  );
  await converged();
  await orchestrator.request(REQUEST);
});

test("without a controller the operator's own key switches off, and a restarted controller keeps that document", async () => {
  await system.controller?.kill();
  const script = fileURLToPath(new URL("../../scripts/scbe-kill-switch.sh", import.meta.url));
  const env = {
    PATH: `${process.execPath.slice(0, -"/node".length)}:${process.env.PATH}`,
    ...system.environment("operator"),
    NATS_STORE_NKEY_SEED_FILE: system.nats.storeTransport("control", "offline").nkeySeedFile,
    SCBE_CONTROL_SEED_FILE: system.nats.credentials.controlSeedFile,
  };
  const run = async (variables: NodeJS.ProcessEnv, ...words: string[]) => {
    const args = [...words, "--offline", "--for", "0", "--json"];
    const { stdout } = await promisify(execFile)(script, args, { env: variables });
    return JSON.parse(stdout);
  };
  expect(await run(env, "activate", "no controller")).toMatchObject({ action: "activate", stored: true });
  await eventually(() =>
    expect(orchestrator.request(REQUEST)).rejects.toMatchObject({ code: "SWITCHED_OFF" }),
  );
  await system.controller?.restart();
  expect(await get("/health/scbe")).toMatchObject({ envelope_verification_enabled: false });
  await expect(orchestrator.request(REQUEST)).rejects.toMatchObject({ code: "SWITCHED_OFF" });
  expect(await run(env, "deactivate", "over")).toMatchObject({ action: "deactivate", stored: true });
  await eventually(async () => (await orchestrator.request(REQUEST)).body.length > 0);
  await system.controller?.kill();
  const { NATS_STORE_NKEY_SEED_FILE: _, ...storeless } = env;
  expect(await run(storeless, "activate", "no store")).toMatchObject({ action: "activate", stored: false });
  await eventually(() =>
    expect(orchestrator.request(REQUEST)).rejects.toMatchObject({ code: "SWITCHED_OFF" }),
  );
  await using raw = await connectRawStore(system.nats, "control");
  await raw.put("$KV.SCBE_CONTROL.state", "{");
  expect(await run(env, "activate", "over garbage")).toMatchObject({ action: "activate", stored: true });
  expect(await run(env, "deactivate", "over")).toMatchObject({ action: "deactivate", stored: true });
  await system.controller?.restart();
  await eventually(async () => (await orchestrator.request(REQUEST)).body.length > 0, { timeoutMs: 20_000 });
});
