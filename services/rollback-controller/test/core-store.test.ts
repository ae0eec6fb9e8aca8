import { eventually, startLinkProxy, startSecuredNats } from "@scbe/testkit";
import { describe, expect, test } from "vitest";
import { mergeFlags } from "../src/api/flag-state.ts";
import { ADMIN, type Core, LONG, startCore } from "./core-controller.ts";
import { startStore } from "./core-store.ts";
import { connectVerifier, idOf } from "./core-verifier.ts";

const KILL = { cause: "integrity" } as const;
const share = ({ plane }: Core, traffic_percentage: number) =>
  plane.change((state) => mergeFlags(state, { providers: { openai: { traffic_percentage } } }), ADMIN);
const shareOf = ({ plane }: Core) =>
  plane.current?.state.scbe_envelope_verification.providers.openai?.traffic_percentage;
const isKilled = ({ plane }: Core) => (plane.current?.state.kill_switch.all ?? null) !== null;

describe("a server that is killed and restarted with its store", () => {
  test("has the same document, and controllers continue from it", async () => {
    await using store = await startStore();
    await using core = await startCore(store.nats);
    await core.known();
    await share(core, 50);
    const { after } = await core.plane.kill(KILL, ADMIN);
    await eventually(async () => (await core.metric("scbe_control_unstored_kills")) === 0, LONG);
    await store.nats.server.restart();
    await using other = await startCore(store.nats);
    expect(await other.known()).toMatchObject({ state: after });
    expect(core.plane.current?.state).toEqual(after);
    const changed = await eventually(() => share(core, 25), LONG);
    expect(changed.after.generation).toBeGreaterThan(after.generation);
    expect(changed.after.kill_switch).toEqual(after.kill_switch);
    await eventually(() => other.generation() === changed.after.generation, LONG);
    expect(isKilled(other)).toBe(true);
  });
});

describe("a lost store", () => {
  test("is written again by a controller that remembers", async () => {
    await using store = await startStore();
    await using core = await startCore(store.nats);
    await core.known();
    await share(core, 50);
    const { after } = await core.plane.kill(KILL, ADMIN);
    await eventually(async () => (await core.metric("scbe_control_unstored_kills")) === 0, LONG);
    await store.erase();
    await eventually(() => core.logged("the store has gone back") > 0, LONG);
    await using other = await startCore(store.nats);
    await eventually(() => other.generation() === after.generation, LONG);
    expect([isKilled(other), shareOf(other)]).toEqual([true, 50]);
  });

  test("or one restored from an older copy, gets back the kill that a verifier holds, even if no controller remembers it", async () => {
    await using store = await startStore();
    await using verifier = await connectVerifier(store.nats);
    {
      await using core = await startCore(store.nats);
      await core.known();
      await share(core, 50);
    }
    await store.copy();
    {
      await using core = await startCore(store.nats);
      await verifier.lease();
      await core.plane.kill(KILL, ADMIN);
      await eventually(() => verifier.isKilled(), LONG);
      await eventually(async () => (await core.metric("scbe_control_unstored_kills")) === 0, LONG);
    }
    await store.restore();
    const held = verifier.document;
    await using core = await startCore(store.nats);
    await core.known();
    expect([isKilled(core), shareOf(core)]).toEqual([false, 50]);
    const lease = await verifier.lease();
    expect(lease.generation).toBeLessThan(held?.state.generation ?? 0);
    expect(verifier.isKilled()).toBe(true);

    // Ordered without knowledge of the kill, before it is handed back.
    const changing = share(core, 25);
    await verifier.lease({ ...(held && { state: held.signed }) });
    expect(isKilled(core)).toBe(true);
    expect(core.logged("a verifier held a newer document than the store")).toBe(1);
    const { after } = await changing;
    expect(after.generation).toBeGreaterThan(held?.state.generation ?? Number.NaN);
    expect(after.kill_switch).toEqual(held?.state.kill_switch);
    expect(shareOf(core)).toBe(25);
    expect(await verifier.lease()).toMatchObject(idOf(core.plane.current) ?? {});
    expect(verifier.isKilled()).toBe(true);
  });
});

describe("while JetStream is away", () => {
  test("a kill is sent at once, and stored when JetStream is back; no other change is accepted", async () => {
    await using store = await startStore();
    await using verifier = await connectVerifier(store.nats);
    await using core = await startCore(store.nats);
    const { state } = await core.known();
    await verifier.lease();
    await store.jetStream(false);
    await eventually(async () => (await core.metric("scbe_control_store_up")) === 0, LONG);
    expect(core.host.bus.connected).toBe(true);
    const { before, after } = await core.plane.kill({ ...KILL, provider: "xai" }, ADMIN);
    expect(before).toEqual(state);
    await core.host.bus.flush();
    await verifier.bus.flush();
    expect(verifier.document?.state).toEqual(after);
    expect(after.kill_switch.providers.xai).toMatchObject({ cause: "integrity", by: "admin" });
    expect(await core.metric("scbe_control_unstored_kills")).toBe(1);
    await expect(share(core, 50)).rejects.toMatchObject({ code: "NOT_READY" });

    await store.jetStream(true);
    await eventually(async () => (await core.metric("scbe_control_unstored_kills")) === 0, LONG);
    await using other = await startCore(store.nats);
    expect(await other.known()).toMatchObject({ state: after });
  });
});

describe("while the link is down", () => {
  test("a kill is reported as not sent yet, and is sent when the link is back", async () => {
    await using nats = await startSecuredNats();
    await using proxy = await startLinkProxy(nats.server.port);
    await using verifier = await connectVerifier(nats);
    await using core = await startCore(nats, { port: proxy.port });
    await core.known();
    proxy.stall();
    await eventually(() => !core.host.bus.connected, LONG);
    await expect(core.plane.kill(KILL, ADMIN)).rejects.toMatchObject({
      code: "DISCONNECTED",
      message: expect.stringMatching(/as soon as the connection to NATS is back/),
    });
    expect(verifier.isKilled()).toBe(false);
    proxy.resume();
    await eventually(() => verifier.isKilled(), LONG);
    await eventually(async () => (await core.metric("scbe_control_unstored_kills")) === 0, LONG);
    await using other = await startCore(nats);
    expect(await other.known()).toMatchObject({ state: verifier.document?.state });
  });

  test("a kill that was written to a dead link is sent again when the link is back", async () => {
    await using nats = await startSecuredNats();
    await using proxy = await startLinkProxy(nats.server.port);
    await using verifier = await connectVerifier(nats);
    await using core = await startCore(nats, { port: proxy.port });
    await core.known();
    proxy.stall();
    await core.plane.kill(KILL, ADMIN);
    await eventually(() => !core.host.bus.connected, LONG);
    expect(verifier.isKilled()).toBe(false);
    proxy.resume();
    await eventually(() => verifier.isKilled(), LONG);
  });
});
