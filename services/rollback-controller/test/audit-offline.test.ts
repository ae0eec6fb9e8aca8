import { setTimeout as delay } from "node:timers/promises";
import type { ControlState, Kill } from "@scbe/contracts";
import { systemClock } from "@scbe/runtime";
import { createLogger } from "@scbe/service";
import { eventually, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { auditOfflineKills } from "../src/audit/offline-kills.ts";
import { firstState } from "../src/control/state.ts";
import type { AuditEntry, AuditRecord } from "../src/ports.ts";
import { LONG } from "./core-controller.ts";
import { manualLeading } from "./manual-leading.ts";
import { offlineStore, offlineVariables, runKillSwitch } from "./run-kill-switch.ts";
import { startWhole } from "./start-whole.ts";

const OFFLINE: Kill = { cause: "integrity", reason: "no controller runs", by: "operator", since: 7 };
const stateWith = (all: Kill | null, generation: number): ControlState => ({
  ...firstState("dev", ["openai"]),
  generation,
  kill_switch: { all, providers: {} },
});
const entryOf = (record: Partial<AuditRecord>): AuditEntry => ({
  ...{ at: 1, action: "flags", by: "admin", reason: "r", seq: 1, previous: "", hash: "" },
  ...record,
});

/** The audit of offline kills, over a document and an audit that a test sets. */
function stage(state: ControlState, entries: AuditEntry[] = []) {
  const records: AuditRecord[] = [];
  const leadership = manualLeading();
  const audit = {
    reads: 0,
    isAway: false,
    append: (record: AuditRecord) => void records.push(record),
    read: async (): Promise<AuditEntry[]> => {
      audit.reads += 1;
      if (audit.isAway) throw new Error("away");
      return entries;
    },
  };
  const listeners = new Set<() => void>();
  const plane = {
    current: { state, digest: "", signed: { v: 1 as const, payload: "", signature: "" } },
    onChange: (listener: () => void) => {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
  const log = createLogger({ name: "test", level: "silent" });
  const watch = auditOfflineKills({ plane, audit, leadership, clock: systemClock, log });
  return {
    ...{ records, audit },
    lead: (leading: boolean) => leadership.set(leading),
    hold: (next: ControlState) => {
      plane.current = { ...plane.current, state: next };
      for (const listener of listeners) listener();
    },
    /** Resolves after it has read the audit once more. */
    looked: async () => {
      const { reads } = audit;
      await eventually(() => audit.reads > reads, LONG);
    },
    [Symbol.asyncDispose]: () => watch[Symbol.asyncDispose](),
  };
}

describe("a kill that the operator has made without a controller", () => {
  test("gets one entry from the leader, with the state before and after", async () => {
    const before = stateWith(null, 5);
    await using it = stage(stateWith(OFFLINE, 9), [entryOf({ after: before })]);
    it.lead(true);
    await eventually(() => it.records.length > 0, LONG);
    it.lead(false);
    it.lead(true);
    const again = { ...OFFLINE, since: 8 };
    it.hold(stateWith(again, 10));
    await eventually(() => it.records.length > 1, LONG);
    expect(it.records).toEqual([
      {
        at: expect.any(Number),
        action: "kill",
        by: "operator",
        reason: OFFLINE.reason,
        before,
        after: stateWith(OFFLINE, 9),
      },
      expect.objectContaining({ after: stateWith(again, 10) }),
    ]);
  });

  test("gets no entry from a controller that does not lead", async () => {
    await using it = stage(stateWith(OFFLINE, 9));
    it.hold(stateWith(OFFLINE, 10));
    await delay(50);
    expect([it.records, it.audit.reads]).toEqual([[], 0]);
  });

  test("gets no second entry", async () => {
    const known = entryOf({ action: "kill", by: "operator", after: stateWith(OFFLINE, 9) });
    await using it = stage(stateWith(OFFLINE, 9), [entryOf({}), known]);
    const looked = it.looked();
    it.lead(true);
    await looked;
    expect(it.records).toEqual([]);
  });

  test("gets its entry later if the audit cannot be read", async () => {
    await using it = stage(stateWith(OFFLINE, 9));
    it.audit.isAway = true;
    it.lead(true);
    await eventually(() => it.audit.reads > 0, LONG);
    it.audit.isAway = false;
    await eventually(() => it.records.length > 0, LONG);
    expect(it.records).toEqual([expect.not.objectContaining({ before: expect.anything() })]);
  });

  test.each([
    ["of a token", { ...OFFLINE, by: "alice" }],
    ["of an alert", { ...OFFLINE, by: "alert:SCBENonceReuse" }],
  ])("is told from a kill %s", async (_, kill) => {
    await using it = stage(stateWith(kill, 9));
    it.lead(true);
    it.hold(stateWith(OFFLINE, 10));
    await eventually(() => it.records.length > 0, LONG);
    expect(it.records.map(({ by }) => by)).toEqual(["operator"]);
  });
});

describe("of two controllers", () => {
  let nats: SecuredNats;
  beforeAll(async () => {
    nats = await startSecuredNats();
  });
  afterAll(() => nats[Symbol.asyncDispose]());

  const variables = { ADMIN_TOKEN: "admin-token-of-a-test", SCBE_CONTROL_LEADER_MS: "900" };
  type Controller = Awaited<ReturnType<typeof startWhole>>;
  const ask = async (controller: Controller, path: string, body?: object): Promise<unknown> => {
    const headers = { authorization: `Bearer ${variables.ADMIN_TOKEN}` };
    const posted = body && { method: "POST", body: JSON.stringify(body) };
    return (await fetch(`${controller.apiUrl}${path}`, { headers, ...posted })).json();
  };
  const entries = async (controller: Controller): Promise<AuditEntry[]> => {
    const { entries: found = [] } = (await ask(controller, "/audit")) as { entries?: AuditEntry[] };
    return found;
  };

  test("only one writes the entry of an offline kill, and a new leader writes no other", async () => {
    await using left = await startWhole(nats, variables);
    await using right = await startWhole(nats, variables);
    const controllers = [left, right] as const;
    const leads = (controller: Controller): boolean => controller.dependency("leader")?.note === undefined;
    const leader = await eventually(() => controllers.find(leads), LONG);
    const other = leader === left ? right : left;
    const killed = await runKillSwitch(["activate", "no controller runs", "--offline", "--for", "0"], {
      ...offlineVariables(nats),
      ...offlineStore(nats),
    });
    expect(killed).toMatchObject({ code: 0, out: expect.stringContaining("is stored") });
    await eventually(async () => (await entries(other)).length > 0, LONG);
    await leader[Symbol.asyncDispose]();
    await eventually(() => leads(other), LONG);
    // Longer than a pass takes.
    await delay(1500);
    await ask(other, "/feature-flags", { scbe_kill_switch: { enabled: false, reason: "over" } });
    await eventually(async () => (await entries(other)).length > 1, LONG);
    expect((await entries(other)).map(({ action, by, reason }) => [action, by, reason])).toEqual([
      ["release", "admin", "over"],
      ["kill", "operator", "no controller runs"],
    ]);
  });
});
