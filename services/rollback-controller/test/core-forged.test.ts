import { connectBus, type Identity } from "@scbe/bus";
import {
  BUCKETS,
  type ControlState,
  KV_KEYS,
  type SignedControl,
  SUBJECTS,
  subjectOf,
  writeMessage,
} from "@scbe/contracts";
import { type ControlDocument, encodeControl, sign, signControl } from "@scbe/envelope/control";
import { createLogger } from "@scbe/service";
import { createIdentity, eventually, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { createUser } from "nkeys.js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { mergeFlags } from "../src/api/flag-state.ts";
import { ADMIN, type Core, controlIdentity, LONG, startCore } from "./core-controller.ts";
import { connectVerifier, idOf, type Verifier } from "./core-verifier.ts";

const log = createLogger({ name: "operator", level: "silent" });
const OVERSIZE_BYTES = 200_000;

let nats: SecuredNats;
let core: Core;
let verifier: Verifier;
let identity: Identity;
let state: ControlState;

beforeEach(async () => {
  nats = await startSecuredNats();
  identity = controlIdentity(nats);
  core = await startCore(nats);
  verifier = await connectVerifier(nats);
  await core.known();
  await verifier.lease();
  const { after } = await core.plane.change(
    (it) => mergeFlags(it, { providers: { openai: { traffic_percentage: 5 } } }),
    ADMIN,
  );
  state = after;
});
afterEach(async () => {
  await verifier?.[Symbol.asyncDispose]();
  await core?.[Symbol.asyncDispose]();
  await nats?.[Symbol.asyncDispose]();
});

/** Everything on, and newer than the document in force. */
const wanted = (): ControlState => ({
  ...state,
  generation: state.generation + 1000,
  scbe_envelope_verification: { enabled: true, providers: {} },
});
const signedOf = ({ signed }: ControlDocument): SignedControl => signed;
const forged: readonly (readonly [string, () => SignedControl])[] = [
  ["that a stranger has signed", () => signedOf(signControl(wanted(), createIdentity()))],
  ["of another environment", () => signedOf(signControl({ ...wanted(), env: "prod" }, identity))],
  ["signed as a lease", () => ({ v: 1, ...sign("lease", "dev", wanted(), identity) })],
  [
    "whose payload was changed",
    () => {
      const signed = signedOf(signControl(wanted(), identity));
      return { ...signed, payload: signed.payload.replace('"enabled":true', '"enabled":false') };
    },
  ],
];
const none: readonly (readonly [string, () => Uint8Array])[] = [
  ["of garbage", () => Buffer.from("{")],
  ["of nothing", () => new Uint8Array(0)],
  ["that is too large", () => Buffer.alloc(OVERSIZE_BYTES, 0x20)],
];

/** Neither the document in force nor the stored one has changed, and the next change builds on it. */
async function expectUnmoved(): Promise<void> {
  expect(core.plane.current?.state).toEqual(state);
  const { before } = await core.plane.change(
    (it) => mergeFlags(it, { providers: { xai: { traffic_percentage: 6 } } }),
    ADMIN,
  );
  expect(before).toEqual(state);
}

describe("a document that an authorized user broadcasts, but", () => {
  const bytes = forged.map(([what, make]) => [what, () => writeMessage(make())] as const);
  test.each([...bytes, ...none])("%s, changes nothing and is logged", async (_, make) => {
    await using operator = await connectBus({ ...nats.transport("operator"), name: "operator", log });
    operator.publish(SUBJECTS.controlState, make());
    await operator.flush();
    await eventually(() => core.logged("a control document was ignored") === 1, LONG);
    await expectUnmoved();
  });

  test("is older than the one in force, changes nothing", async () => {
    await using operator = await connectBus({ ...nats.transport("operator"), name: "operator", log });
    const old = { ...wanted(), generation: state.generation - 1 };
    operator.publish(SUBJECTS.controlState, encodeControl(signControl(old, identity)));
    await operator.flush();
    await core.host.bus.flush();
    await expectUnmoved();
  });
});

describe("a lease request", () => {
  test.each(forged)("that hands back a document %s changes nothing", async (_, make) => {
    const held = { generation: wanted().generation, digest: "A".repeat(43) };
    const lease = await verifier.ask({ held, state: make() });
    expect(lease).toMatchObject(idOf(core.plane.current) ?? {});
    await expectUnmoved();
    expect(core.logged("a verifier held a newer document")).toBe(0);
  });

  test("that hands back an older document changes nothing", async () => {
    const old = signControl({ ...wanted(), generation: state.generation - 1 }, identity);
    for (const held of [idOf(old), { generation: wanted().generation, digest: old.digest }])
      await verifier.ask({ held, state: old.signed });
    await expectUnmoved();
  });

  test.each(none)("%s is refused, and notes no verifier", async (_, make) => {
    const asking = verifier.bus.request(subjectOf("controlLease", { user: verifier.bus.user }), make(), {
      timeoutMs: 5000,
    });
    await expect(asking).rejects.toMatchObject({ code: "BAD_REQUEST" });
    expect(core.plane.verifiers()).toHaveLength(1);
    await expectUnmoved();
  });
});

describe("a stored record that this controller's key has not signed", () => {
  test("keeps a controller from starting, and is left as it is", async () => {
    const seed = Buffer.from(createUser().getSeed()).toString();
    await expect(startCore(nats, { seed })).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: expect.stringMatching(/SCBE_CONTROL_SEED.*has signed/),
    });
    await expectUnmoved();
  });

  test("is overwritten by no running controller; a kill is still sent", async () => {
    const bucket = await core.host.store.bucket(BUCKETS.control);
    const entry = await bucket.get(KV_KEYS.control);
    const strange = encodeControl(signControl(wanted(), createIdentity()));
    await bucket.update(KV_KEYS.control, strange, entry?.revision ?? 0);
    const changing = core.plane.change((it) => mergeFlags(it, { enabled: false }), ADMIN);
    await expect(changing).rejects.toMatchObject({ code: "NOT_READY" });
    await core.plane.kill({ cause: "integrity" }, ADMIN);
    await eventually(() => verifier.isKilled(), LONG);
    expect(Buffer.from((await bucket.get(KV_KEYS.control))?.value ?? [])).toEqual(Buffer.from(strange));
    await eventually(async () => (await core.metric("scbe_control_store_up")) === 0, LONG);
  });
});

describe("a stored record that is no control document", () => {
  test("is replaced by a kill above every received document, and a note says so", async () => {
    const bucket = await core.host.store.bucket(BUCKETS.control);
    const before = core.generation();
    const entry = await bucket.get(KV_KEYS.control);
    await bucket.update(KV_KEYS.control, Buffer.from("{"), entry?.revision ?? 0);
    await eventually(() => verifier.isKilled(), LONG);
    await eventually(async () => (await core.metric("scbe_records_mended_total")) === 1, LONG);
    expect(core.generation()).toBeGreaterThan(before);
    const { kill_switch } = (await core.known()).state;
    expect(kill_switch.all).toMatchObject({
      cause: "integrity",
      by: "rollback-controller",
    });
    const note = core.host.readiness.report().find(({ name }) => name === "stored control")?.note;
    expect(note).toContain("a kill of everything");
  });
});
