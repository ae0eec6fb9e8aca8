import { type ErrorCode, KV_KEYS, PENDING_OVERRIDES_MAX, ScbeError } from "@scbe/contracts";
import { eventually, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { OverrideRecord } from "../src/trust/override-record.ts";
import { encodeOverrides } from "../src/trust/overrides.ts";
import { LONG, PROVIDERS } from "./core-controller.ts";
import { startStore } from "./core-store.ts";
import { type OutboxStage, overrideOf, overridesOf, startFakeScorer, startOutbox } from "./override-stage.ts";

let nats: SecuredNats;

beforeAll(async () => {
  nats = await startSecuredNats({ providers: [...PROVIDERS] });
}, 60_000);
afterAll(() => nats?.[Symbol.asyncDispose]());
beforeEach(async () => {
  await using controller = await startOutbox(nats);
  await controller.put(encodeOverrides([]));
});

const soon = () => AbortSignal.timeout(200);
const inTime = () => AbortSignal.timeout(LONG.timeoutMs);
const idsOf = (overrides: readonly { readonly id: string }[]) => overrides.map(({ id }) => id);

async function metric({ host }: OutboxStage, name: string): Promise<number> {
  const rows = (await host.metrics.getSingleMetric(name)?.get())?.values ?? [];
  return rows.reduce((sum, row) => sum + row.value, 0);
}

describe("an override", () => {
  test("that is stored while a scorer runs is delivered at once, by a controller that does not lead", async () => {
    await using scorer = await startFakeScorer(nats);
    await using controller = await startOutbox(nats);
    const override = overrideOf(0.5);
    await controller.outbox.keep([override]);
    expect(await controller.outbox.acknowledged([override], inTime())).toBe(1);
    expect(scorer.heard).toEqual([override]);
    await controller.emptied();
  });

  test("waits while no scorer runs, which all controllers show, and is delivered by the leader", async () => {
    await using one = await startOutbox(nats);
    await using other = await startOutbox(nats);
    one.lead(true);
    const override = overrideOf(0.5);
    await other.outbox.keep([override]);
    expect(await other.outbox.acknowledged([override], soon())).toBeUndefined();
    for (const controller of [one, other]) {
      await eventually(() => controller.outbox.waiting === 1, LONG);
      expect(controller.note()).toContain("trust overrides that wait for a trust scorer: 1");
      expect(controller.host.readiness.ready).toBe(true);
    }
    await using scorer = await startFakeScorer(nats);
    await one.emptied();
    expect(scorer.taken()).toEqual([override.id]);
    for (const controller of [one, other]) {
      await eventually(() => controller.outbox.waiting === 0 && controller.note() === undefined, LONG);
    }
  });

  test("of a controller that has ended is delivered by the next leader", async () => {
    const override = overrideOf(0.5);
    await using scorer = await startFakeScorer(nats);
    const gone = await startOutbox(nats);
    await gone.outbox.keep([override]);
    await gone[Symbol.asyncDispose]();
    await using next = await startOutbox(nats);
    expect(await next.stored()).toEqual([override]);
    next.lead(true);
    // At once, and not with the next pass.
    await eventually(() => scorer.taken().includes(override.id), { timeoutMs: 1200 });
    await next.emptied();
  });

  test("that another controller has delivered is acknowledged with its number", async () => {
    await using _scorer = await startFakeScorer(nats);
    await using one = await startOutbox(nats);
    await using other = await startOutbox(nats);
    const overrides = overridesOf(2);
    await one.outbox.keep(overrides);
    other.lead(true);
    await other.emptied();
    expect(await one.outbox.acknowledged(overrides, inTime())).toBe(2);
  });

  test("that a controller delivered but did not remove before it ended is delivered again, as the same one", async () => {
    await using scorer = await startFakeScorer(nats);
    await using controller = await startOutbox(nats);
    const overrides = overridesOf(2);
    await controller.outbox.keep(overrides);
    expect(await controller.outbox.acknowledged(overrides, inTime())).toBe(2);
    await controller.emptied();
    await controller.put(encodeOverrides(overrides));
    controller.lead(true);
    await controller.emptied();
    expect(idsOf(scorer.heard)).toEqual([...idsOf(overrides), ...idsOf(overrides)]);
    expect(scorer.taken()).toEqual(idsOf(overrides));
  });

  test("is delivered after those before it", async () => {
    let isReady = false;
    await using scorer = await startFakeScorer(nats, () => {
      if (!isReady) throw new ScbeError("NOT_READY", "its stream is away");
    });
    await using controller = await startOutbox(nats);
    controller.lead(true);
    const overrides = overridesOf(5);
    for (const override of overrides) await controller.outbox.keep([override]);
    expect(await controller.outbox.acknowledged(overrides.slice(4), soon())).toBeUndefined();
    expect(new Set(idsOf(scorer.heard))).toEqual(new Set([overrides[0]?.id]));
    isReady = true;
    expect(await controller.outbox.acknowledged(overrides, inTime())).toBe(5);
    await controller.emptied();
    expect(scorer.taken()).toEqual(idsOf(overrides));
  });

  test.each<ErrorCode>(["BAD_REQUEST"])(
    "that the scorer refuses with %s is removed, logged and audited once, and blocks no other one",
    async (code) => {
      const overrides = [overrideOf(0.1), overrideOf(0.2), overrideOf(0.3)];
      const refused = overrides[1];
      if (refused === undefined) throw new Error("no override");
      await using scorer = await startFakeScorer(nats, ({ id }) => {
        if (id === refused.id) throw new ScbeError(code, "not that one");
      });
      await using controller = await startOutbox(nats);
      await controller.outbox.keep(overrides);
      const acknowledged = controller.outbox.acknowledged(overrides, inTime());
      await expect(acknowledged).rejects.toMatchObject({
        code: "CONFLICT",
        message: expect.stringContaining(`(${code}: not that one), and it is not kept`),
      });
      await controller.emptied();
      expect(scorer.taken()).toEqual([overrides[0]?.id, overrides[2]?.id]);
      const byController = controller.audit.records.filter(({ by }) => by === "rollback-controller");
      expect(byController).toMatchObject([
        {
          ...{ action: "trust" },
          reason: expect.stringMatching(/refused the calibration of openai .* ordered by ana$/),
          after: { refused: { kind: "calibration", provider: "openai", id: refused.id, code } },
        },
      ]);
      expect(controller.host.logs.lines).toContainEqual(
        expect.objectContaining({
          level: "error",
          code,
          msg: "a trust scorer has refused a trust override",
        }),
      );
    },
  );

  test.each<ErrorCode>(["FORBIDDEN", "NOT_READY", "BUSY"])("that is answered with %s waits", async (code) => {
    let isAway = true;
    await using scorer = await startFakeScorer(nats, () => {
      if (isAway) throw new ScbeError(code, "not now");
    });
    await using controller = await startOutbox(nats);
    controller.lead(true);
    const overrides = overridesOf(2);
    await controller.outbox.keep(overrides);
    expect(await controller.outbox.acknowledged(overrides, soon())).toBeUndefined();
    expect(await controller.stored()).toEqual(overrides);
    isAway = false;
    await controller.emptied();
    expect(scorer.taken()).toEqual(idsOf(overrides));
  });

  test("without a waiting caller gets an audit entry with its actor when it is delivered", async () => {
    await using _scorer = await startFakeScorer(nats);
    await using one = await startOutbox(nats);
    await using other = await startOutbox(nats);
    const [override] = overridesOf(1);
    if (override === undefined) throw new Error("no override");
    await one.outbox.keep([override]);
    other.lead(true);
    await other.emptied();
    const { kind, provider, id, by, reason } = override;
    const entry = { action: "trust", by, reason, after: { delivered: { kind, provider, id } } };
    expect(other.audit.records).toMatchObject([entry]);
    expect(one.audit.records).toEqual([]);
  });

  test("on which the scorer fails for a day is given up, logged and audited, and holds back no other one", async () => {
    const old = { ...overrideOf(0.1), at: Date.now() - 25 * 3_600_000 };
    const overrides = [old, overrideOf(0.2)];
    await using scorer = await startFakeScorer(nats, ({ id }) => {
      if (id === old.id) throw new ScbeError("INTERNAL", "a defect");
    });
    await using controller = await startOutbox(nats);
    controller.lead(true);
    await controller.outbox.keep(overrides);
    await controller.emptied();
    expect(scorer.taken()).toEqual([overrides[1]?.id]);
    expect(controller.audit.records).toContainEqual(
      expect.objectContaining({
        after: { refused: expect.objectContaining({ id: old.id, code: "INTERNAL" }) },
      }),
    );
  });

  test("on which the scorer fails waits, and holds back only those of its provider", async () => {
    let hasDefect = true;
    const overrides = [overrideOf(0.1), overrideOf(0.2), overrideOf(0.3, "xai")];
    await using scorer = await startFakeScorer(nats, ({ id }) => {
      if (hasDefect && id === overrides[0]?.id) throw new ScbeError("INTERNAL", "a defect");
    });
    await using controller = await startOutbox(nats);
    controller.lead(true);
    await controller.outbox.keep(overrides);
    await eventually(() => scorer.taken().length === 1, LONG);
    expect(scorer.taken()).toEqual([overrides[2]?.id]);
    hasDefect = false;
    await controller.emptied();
    expect(scorer.taken()).toEqual([overrides[2]?.id, overrides[0]?.id, overrides[1]?.id]);
    expect(controller.audit.records.every(({ by }) => by === "ana")).toBe(true);
  });
});

describe("the store of overrides", () => {
  test("is bounded: a further override is refused with BUSY, and not stored", async () => {
    await using controller = await startOutbox(nats);
    const most = overridesOf(PENDING_OVERRIDES_MAX - 1);
    await controller.outbox.keep(most);
    await expect(controller.outbox.keep(overridesOf(2))).rejects.toMatchObject({
      code: "BUSY",
      message: expect.stringMatching(/^63 trust overrides wait.*nothing of this one was kept/),
    });
    await controller.outbox.keep([overrideOf(1)]);
    await expect(controller.outbox.keep([overrideOf(1)])).rejects.toMatchObject({ code: "BUSY" });
    expect(await controller.stored()).toHaveLength(PENDING_OVERRIDES_MAX);
  });

  test("loses no override when two controllers store at the same time", async () => {
    await using one = await startOutbox(nats);
    await using other = await startOutbox(nats);
    const overrides = overridesOf(24);
    await Promise.all(overrides.map((override, n) => (n % 2 === 0 ? one : other).outbox.keep([override])));
    expect(idsOf((await one.stored()) ?? []).toSorted()).toEqual(idsOf(overrides).toSorted());
  });

  test("loses nothing while two controllers store and deliver, and no override counts twice", async () => {
    await using scorer = await startFakeScorer(nats);
    await using one = await startOutbox(nats);
    await using other = await startOutbox(nats);
    one.lead(true);
    other.lead(true);
    const overrides = overridesOf(24);
    await Promise.all(
      overrides.map(async (override, n) => {
        const { outbox } = n % 2 === 0 ? one : other;
        await outbox.keep([override]);
        expect(await outbox.acknowledged([override], inTime())).toBeGreaterThan(0);
      }),
    );
    await one.emptied();
    expect(scorer.taken().toSorted()).toEqual(idsOf(overrides).toSorted());
  });

  test("is replaced by its last readable value when it is unreadable, and /readyz says so", async () => {
    await using controller = await startOutbox(nats);
    const overrides = overridesOf(2);
    await controller.outbox.keep(overrides);
    await controller.put(Buffer.from("{"));
    await eventually(() => controller.note()?.includes("cannot be read") === true, LONG);
    controller.lead(true);
    await eventually(async () => (await metric(controller, "scbe_records_mended_total")) === 1, LONG);
    expect(await controller.stored()).toEqual(overrides);
    expect(controller.note("stored trust_words")).toContain("the 2 trust overrides that waited before");
    await using scorer = await startFakeScorer(nats);
    await controller.emptied();
    expect(scorer.taken()).toEqual(idsOf(overrides));
  });

  test("begins empty without a readable value, and takes the next override", async () => {
    await using controller = await startOutbox(nats);
    for (let times = 0; times < 6; times += 1) await controller.put(Buffer.from(`${times}`));
    const override = overrideOf(0.5);
    await controller.outbox.keep([override]);
    expect(await controller.stored()).toEqual([override]);
    expect(controller.note("stored trust_words")).toContain("no trust overrides");
    expect(controller.host.logs.lines).toContainEqual(
      expect.objectContaining({ level: "error", record: "trust_words" }),
    );
  });
});

describe("a controller", () => {
  test("that stops while a scorer does not answer stops at once, and the override stays", async () => {
    const { promise: stuck, resolve: goOn } = Promise.withResolvers<void>();
    await using scorer = await startFakeScorer(nats, () => stuck);
    const controller = await startOutbox(nats);
    const override = overrideOf(0.5);
    await controller.outbox.keep([override]);
    const acknowledged = controller.outbox.acknowledged([override], AbortSignal.timeout(1000));
    await eventually(() => scorer.heard.length > 0, LONG);
    await controller.outbox[Symbol.asyncDispose]();
    expect(await acknowledged).toBeUndefined();
    expect(await controller.stored()).toEqual([override]);
    await controller[Symbol.asyncDispose]();
    goOn();
  });

  test("without its store refuses overrides, and says so; it continues when the store is back", async () => {
    await using store = await startStore();
    await using controller = await startOutbox(store.nats);
    const override = overrideOf(0.5);
    await store.jetStream(false);
    await expect(
      eventually(
        () =>
          controller.outbox.keep([override]).then(
            () => false,
            (error: unknown) => Promise.resolve(error),
          ),
        LONG,
      ),
    ).resolves.toMatchObject({
      code: "NOT_READY",
      message: expect.stringContaining("nothing of this one was kept"),
    });
    await store.jetStream(true);
    await eventually(() => controller.outbox.keep([override]).then(() => true), LONG);
    expect(await controller.stored()).toContainEqual(override);
  }, 60_000);
});

test("the refusal of an unconfirmed override says that it may have been stored", async () => {
  const record = new OverrideRecord({
    onMended: () => undefined,
    store: {
      read: async () => ({ words: [], revision: 1, isReadable: true }),
      write: async () => {
        throw new ScbeError("TIMEOUT", `no answer for ${KV_KEYS.trustOverrides}`);
      },
      watch: () => ({ [Symbol.asyncDispose]: async () => undefined }),
    },
  });
  await expect(record.add([overrideOf(1)])).rejects.toMatchObject({
    code: "NOT_READY",
    message: expect.stringContaining("not confirmed that it keeps the override (TIMEOUT)"),
  });
});
