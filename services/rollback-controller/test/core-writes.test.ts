import type { ControlState } from "@scbe/contracts";
import { eventually, startSecuredNats } from "@scbe/testkit";
import { expect, test } from "vitest";
import { mergeFlags } from "../src/api/flag-state.ts";
import { ADMIN, type Core, LONG, startCore } from "./core-controller.ts";
import { connectVerifier } from "./core-verifier.ts";

const WRITES = 30;
const flagsOf = ({ scbe_envelope_verification: { providers } }: ControlState): string[] =>
  Object.keys(providers);

test("of two controllers that write at once, no update is lost, and each change returns a state that includes it", async () => {
  await using nats = await startSecuredNats();
  await using verifier = await connectVerifier(nats);
  await using left = await startCore(nats);
  await using right = await startCore(nats);
  const first = await left.known();
  const write = async ({ plane }: Core, flag: string): Promise<ControlState> => {
    const providers = { [flag]: { traffic_percentage: 7 } };
    const { before, after } = await plane.change((state) => mergeFlags(state, { providers }), ADMIN);
    expect(flagsOf(after)).toEqual(expect.arrayContaining([...flagsOf(before), flag]));
    return after;
  };
  const names = (side: string) => Array.from({ length: WRITES }, (_, n) => `${side}-${n}`);
  const states = await Promise.all([
    ...names("left").map((flag) => write(left, flag)),
    ...names("right").map((flag) => write(right, flag)),
  ]);

  const inOrder = states.toSorted((a, b) => a.generation - b.generation);
  let before = first.state;
  for (const state of inOrder) {
    expect(state.generation).toBeGreaterThan(before.generation);
    expect(state.after).toBe(before.generation);
    expect(flagsOf(state)).toHaveLength(flagsOf(before).length + 1);
    expect(flagsOf(state)).toEqual(expect.arrayContaining(flagsOf(before)));
    before = state;
  }
  const { generation } = before;
  await eventually(
    () =>
      [left.generation(), right.generation(), verifier.document?.state.generation].every(
        (it) => it === generation,
      ),
    LONG,
  );
  expect(flagsOf(before)).toEqual(expect.arrayContaining([...names("left"), ...names("right")]));
  expect(left.audit.records).toHaveLength(WRITES);
  expect(right.audit.records).toHaveLength(WRITES);
});

test("each document names the last known entry of the audit, and never an earlier one than its predecessor", async () => {
  await using nats = await startSecuredNats();
  await using core = await startCore(nats);
  expect((await core.known()).state.audit).toBeUndefined();
  const endAt = (seq: number) => ({ seq, hash: `${String(seq).repeat(42)}A` });
  const named = async (end: ReturnType<typeof endAt> | undefined, flag: string) => {
    core.audit.end = end;
    const providers = { [flag]: { traffic_percentage: 7 } };
    return (await core.plane.change((state) => mergeFlags(state, { providers }), ADMIN)).after.audit;
  };
  expect(await named({ seq: 0, hash: "" }, "one")).toBeUndefined();
  expect(await named(endAt(5), "two")).toEqual(endAt(5));
  expect(await named(endAt(3), "three")).toEqual(endAt(5));
  expect(await named(undefined, "four")).toEqual(endAt(5));
  core.audit.end = endAt(7);
  const { after } = await core.plane.kill({ cause: "availability" }, ADMIN);
  expect(after.audit).toEqual(endAt(7));
});

test("a change without effect is neither written nor sent, and what a change throws is passed on", async () => {
  await using nats = await startSecuredNats();
  await using core = await startCore(nats);
  await using verifier = await connectVerifier(nats);
  const { state } = await core.known();
  const same = await core.plane.change((it) => it, ADMIN);
  expect([same.before, same.after]).toEqual([state, state]);
  const refusing = () => {
    throw new RangeError("not this way");
  };
  await expect(core.plane.change(refusing, ADMIN)).rejects.toThrow(RangeError);
  await verifier.lease();
  expect([core.generation(), core.audit.records.length]).toEqual([state.generation, 0]);
  expect(verifier.taken.map(({ state: it }) => it.generation)).toEqual([state.generation]);
});
