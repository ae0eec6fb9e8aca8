import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readServiceError, subjectOf, writeMessage } from "@scbe/contracts";
import { createTempDir, eventually, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { createUser } from "nkeys.js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LONG, PROVIDERS } from "./core-controller.ts";
import { type ControllerProcess, LEADER_MS, launchController } from "./core-process.ts";
import { connectVerifier, type Verifier } from "./core-verifier.ts";

/** A few leader times, on a machine that runs other tests too. */
const TAKEOVER_MS = 8 * LEADER_MS;

let nats: SecuredNats;
let verifier: Verifier;

beforeEach(async () => {
  nats = await startSecuredNats({ providers: PROVIDERS });
  verifier = await connectVerifier(nats);
});
afterEach(async () => {
  await verifier?.[Symbol.asyncDispose]();
  await nats?.[Symbol.asyncDispose]();
});

/** The first one leads. */
async function launchTwo() {
  await using stack = new AsyncDisposableStack();
  const leader = stack.use(await launchController(nats));
  await leader.ready();
  await eventually(() => leader.leads(), LONG);
  const standby = stack.use(await launchController(nats));
  await standby.ready();
  const held = stack.move();
  return { leader, standby, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** Sends one request, and collects every answer: leases, and codes of refusals. */
function askAll() {
  const heard: string[] = [];
  const question = { v: 1, nonce: randomBytes(16).toString("base64url"), held: null, fallback: false };
  const data = writeMessage({ ...question, verifier: crypto.randomUUID() });
  const asking = verifier.bus.exchange(subjectOf("controlLease", { user: verifier.bus.user }), data, {
    onAnswer: (message) => heard.push(readServiceError((name) => message.header(name))?.code ?? "lease"),
    onFailure: (error) => heard.push(error.message),
  });
  return { heard, [Symbol.dispose]: () => asking[Symbol.dispose]() };
}

describe("of two controllers", () => {
  test("the standby answers leases within a few leader times after the leader was killed", async () => {
    await using two = await launchTwo();
    const before = await verifier.lease();
    expect([await two.leader.leases(), await two.standby.leases()]).toEqual([1, 0]);
    await two.leader.running.kill();
    const lease = await eventually(() => verifier.ask(), { timeoutMs: TAKEOVER_MS });
    expect(lease).toMatchObject({ generation: before.generation, digest: before.digest });
    expect(await two.standby.leads()).toBe(true);
  });

  test("the standby accepts a kill, and the leader answers leases for it at once", async () => {
    await using two = await launchTwo();
    expect(await two.standby.kill()).toBe(200);
    await eventually(() => verifier.isKilled(), LONG);
    expect((await verifier.lease()).digest).toBe(verifier.document?.digest);
    expect([await two.leader.leads(), await two.standby.leads()]).toEqual([true, false]);
    expect(await two.standby.leases()).toBe(0);
  });

  test("a leader that was frozen refuses the requests that it finds when it resumes, and answers no lease beside the new leader", async () => {
    await using two = await launchTwo();
    await verifier.lease();
    const answered = await two.leader.leases();
    two.leader.running.pause();
    using found = askAll();
    await eventually(() => two.standby.leads(), LONG);
    const asked = [found];
    await eventually(async () => {
      asked.push(askAll());
      await verifier.bus.flush();
      return (await two.standby.leases()) >= 3;
    }, LONG);
    two.leader.running.resume();
    await eventually(() => found.heard.length > 0, LONG);
    expect(found.heard).toEqual(["NOT_READY"]);
    await eventually(() => asked.every(({ heard }) => heard.length > 0), LONG);
    for (const { heard } of asked) expect(heard.length).toBe(1);
    expect(asked.flatMap(({ heard }) => heard)).not.toContain("BUSY");
    expect(await two.leader.leases()).toBe(answered);
    expect([await two.leader.leads(), await two.standby.leads()]).toEqual([false, true]);
  });

  test("a stopping leader steps down, so that the other one need not wait", async () => {
    await using leader = await launchController(nats, { SCBE_CONTROL_LEADER_MS: "60000" });
    await leader.ready();
    await eventually(() => leader.leads(), LONG);
    await using standby = await launchController(nats, { SCBE_CONTROL_LEADER_MS: "60000" });
    await standby.ready();
    leader.running.signal("SIGTERM");
    expect(await leader.running.exited).toMatchObject({ code: 0 });
    await eventually(() => standby.leads(), LONG);
    await verifier.lease();
  });
});

test("a controller with another key than the stored document's ends at once, and says why", async () => {
  using dir = createTempDir();
  const seedFile = join(dir.path, "other.seed");
  writeFileSync(seedFile, createUser().getSeed(), { mode: 0o600 });
  await using first = await launchController(nats);
  await first.ready();
  await verifier.lease();
  await using strange: ControllerProcess = await launchController(nats, { SCBE_CONTROL_SEED_FILE: seedFile });
  expect(await strange.running.exited).toMatchObject({ code: expect.toSatisfy((code) => code > 0) });
  const said = `${strange.running.stdout}${strange.running.stderr}`;
  expect(said).toMatch(
    /FORBIDDEN[^\n]*no control document for dev that this controller's key|this controller's key[^\n]*FORBIDDEN/,
  );
});
