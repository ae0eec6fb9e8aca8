import { execFile } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { connectBus, connectStore, type Identity } from "@scbe/bus";
import { type ControlState, type Environment, KV_KEYS, STREAMS, SUBJECTS, subjectOf } from "@scbe/contracts";
import { type ControlDocument, encodeControl, signControl } from "@scbe/envelope/control";
import {
  collectLogs,
  connectProbe,
  connectRawStore,
  createIdentity,
  eventually,
  type HeardMessage,
  type SecuredNats,
  startSecuredNats,
} from "@scbe/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { firstState } from "../src/control/state.ts";
import { readEndpoints } from "../src/endpoints.ts";
import { controlIdentity } from "./core-controller.ts";
import { offlineStore, offlineVariables, runKillSwitch, type Variables } from "./run-kill-switch.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const REFUSED = (holder: string, env: string, on = "off"): string =>
  `NOT switched ${on}: ${holder} a control document of another environment or key; is SCBE_ENVIRONMENT right (it is ${env})?\n`;

describe("scbe-kill-switch.sh --offline", () => {
  const stack = new AsyncDisposableStack();
  let nats: SecuredNats;
  let heard: readonly HeardMessage[];
  let before = 0;

  beforeAll(async () => {
    nats = stack.use(await startSecuredNats());
    const probe = await connectProbe({ name: "gateway-openai", transport: nats.transport("gateway-openai") });
    stack.use(probe);
    heard = await probe.listen(SUBJECTS.controlState);
  });
  afterAll(() => stack.disposeAsync());
  beforeEach(() => {
    before = heard.length;
  });

  const documentOf = (env: Environment, identity: Identity = controlIdentity(nats)): ControlDocument =>
    signControl({ ...firstState(env, ["openai"]), generation: 5, issued_at: 5 }, identity);

  const store = async (document: ControlDocument): Promise<void> => {
    await using raw = await connectRawStore(nats, "control");
    await raw.put(`$KV.SCBE_CONTROL.${KV_KEYS.control}`, encodeControl(document));
  };

  /** The stored state. */
  const stored = async (): Promise<ControlState> => {
    await using link = await connectStore({ ...nats.storeTransport("control"), log: collectLogs().log });
    const bucket = await link.bucket("SCBE_CONTROL", { signal: AbortSignal.timeout(5000) });
    const { value } = (await bucket.get(KV_KEYS.control)) ?? { value: "{}" };
    return JSON.parse(JSON.parse(Buffer.from(value).toString("utf8")).payload);
  };

  const run = (words: readonly string[], variables: Variables = {}) =>
    runKillSwitch([...words, "--offline", "--for", "0"], { ...offlineVariables(nats), ...variables });

  /** Answers like a controller that holds this document. */
  async function controllerWith(current: ControlDocument | undefined): Promise<AsyncDisposable> {
    await using held = new AsyncDisposableStack();
    const log = collectLogs().log;
    const link = held.use(await connectStore({ ...nats.storeTransport("control"), log }));
    const bus = await connectBus({
      ...nats.transport("rollback-controller"),
      name: "rollback-controller",
      log,
    });
    held.use(bus);
    const reads = { audit: link.stream(STREAMS.audit), trust: { document: undefined }, version: "0.0.0" };
    await bus.service(readEndpoints({ plane: { current }, ...reads })).join();
    return held.move();
  }

  /** The documents that were broadcast in this test, the newest last. */
  const statesHeard = async (): Promise<ControlState[]> => {
    const count = await killsHeard();
    return heard.slice(before, before + count).map(({ text }) => JSON.parse(JSON.parse(text).payload));
  };

  const killsHeard = async (): Promise<number> => {
    await using probe = await connectProbe({ name: "operator", transport: nats.transport("operator") });
    // After it, everything that the command sent has arrived.
    await probe.publish(SUBJECTS.controlState, "the end");
    await eventually(() => heard.at(-1)?.text === "the end");
    return heard.length - before - 1;
  };

  test.each([
    ["of another environment", () => documentOf("staging")],
    ["under another key", () => documentOf("dev", createIdentity())],
  ])("refuses where the store holds a document %s, and sends nothing", async (_, document) => {
    await store(document());
    for (const [action, on] of [
      ["activate", "off"],
      ["deactivate", "on"],
    ] as const) {
      const { code, out, err } = await run([action, "x"], offlineStore(nats));
      expect([code, out, err]).toEqual([1, "", REFUSED("the store holds", "dev", on)]);
    }
    expect(await killsHeard()).toBe(0);
    expect(await stored()).toEqual(document().state);
  });

  test("refuses if the store is empty and a controller holds a document of another environment", async () => {
    await using raw = await connectRawStore(nats, "control");
    await raw.delete(`$KV.SCBE_CONTROL.${KV_KEYS.control}`);
    await using _controller = await controllerWith(documentOf("staging"));
    const { code, err } = await run(["activate", "x"], offlineStore(nats));
    expect([code, err]).toEqual([1, REFUSED("the controllers hold", "dev")]);
    expect(await killsHeard()).toBe(0);
  });

  test("switches off with the environment of the store", async () => {
    await store(documentOf("staging"));
    const { code, out } = await run(["activate", "x"], {
      ...offlineStore(nats),
      SCBE_ENVIRONMENT: "staging",
    });
    expect([code, out]).toEqual([0, expect.stringMatching(/^switched off: .* and is stored$/m)]);
    expect(await killsHeard()).toBeGreaterThanOrEqual(1);
    expect((await stored()).kill_switch.all).toMatchObject({ reason: "x", by: "operator" });
  });

  test("runs as --help says, with operator.env and the variables that no folder can know", async () => {
    await store(documentOf("dev"));
    const { out: help } = await runKillSwitch(["--help"]);
    const command = /^ +(NATS_URL=.*?) activate "reason"$/ms.exec(help)?.[1] ?? "false";
    const line = command
      .replaceAll("/secure/scbe-prod", dirname(nats.credentials.usersFile))
      .replace("tls://nats-0:4222", nats.url)
      .replace(/NATS_TLS_CA=\S+/, "");
    const env = { PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
    const { stdout } = await promisify(execFile)("sh", ["-c", `${line} activate x --for 0`], {
      cwd: ROOT,
      env,
    });
    expect(stdout).toMatch(/^switched off: .* and is stored$/m);
  });

  describe("while the store is away", () => {
    const NOT_STORED = /^switched off: .* NOT stored/m;

    test.each([
      ["of another environment", () => documentOf("staging")],
      ["under another key", () => documentOf("dev", createIdentity())],
    ])("refuses where a controller holds a document %s", async (_, document) => {
      await using _controller = await controllerWith(document());
      const { code, out, err } = await run(["activate", "x"]);
      expect([code, out, err]).toEqual([
        1,
        "",
        expect.stringContaining(REFUSED("the controllers hold", "dev")),
      ]);
      expect(await killsHeard()).toBe(0);
    });

    test.each([
      ["holds a document of this deployment", () => documentOf("dev")],
      ["holds no document", () => undefined],
    ])("sends where a controller %s", async (_, document) => {
      await using _controller = await controllerWith(document());
      const { code, out } = await run(["activate", "x"]);
      expect([code, out]).toEqual([0, expect.stringMatching(NOT_STORED)]);
      expect(await killsHeard()).toBeGreaterThanOrEqual(1);
    });

    test("sends on top of the document that a controller holds, however far its generation is ahead", async () => {
      const generation = Date.now() + 3_600_000;
      const flags = { enabled: true, providers: { openai: { enabled: true, traffic_percentage: 5 } } };
      const state = { ...documentOf("dev").state, scbe_envelope_verification: flags };
      const held = { ...state, generation, issued_at: 5, after: 7 };
      await using _controller = await controllerWith(signControl(held, controlIdentity(nats)));
      expect((await run(["activate", "x"])).code).toBe(0);
      const [sent] = await statesHeard();
      expect(sent).toMatchObject({ scbe_envelope_verification: flags, after: 7 });
      expect(sent?.generation).toBeGreaterThan(generation);
    });

    test("sends far ahead if the document in force is unknown, since earlier kills have put it ahead of the time", async () => {
      expect((await run(["activate", "x"])).code).toBe(0);
      const [sent] = await statesHeard();
      expect(sent?.generation).toBeGreaterThan(Date.now() + 50_000);
    });

    test("sends if no controller answers, or an answer is no control document", async () => {
      expect((await run(["activate", "x"])).out).toMatch(NOT_STORED);
      const transport = nats.transport("rollback-controller");
      await using probe = await connectProbe({ name: "rollback-controller", transport });
      const asked = await probe.listen(
        `${subjectOf("controlGet", { user: "operator" })} rollback-controller`,
      );
      const answering = run(["activate", "y"]);
      await eventually(() => asked.length > 0, { timeoutMs: 20_000 });
      for (const { reply } of asked) await probe.publish(reply, "{");
      expect((await answering).out).toMatch(NOT_STORED);
    });
  });
});
