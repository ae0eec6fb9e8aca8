import { type ErrorCode, KV_KEYS, PENDING_OVERRIDES_MAX, ScbeError } from "@scbe/contracts";
import { eventually, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { OverrideRecord } from "../src/trust/override-record.ts";
import { encodeOverrides } from "../src/trust/overrides.ts";
import { LONG, PROVIDERS } from "./core-controller.ts";
import { startStore } from "./core-store.ts";
import { type OutboxStage, overrideOf, overridesOf, startFakeScorer, startOutbox } from "./word-stage.ts";

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
const idsOf = (words: readonly { readonly id: string }[]) => words.map(({ id }) => id);

async function metric({ host }: OutboxStage, name: string): Promise<number> {
  const rows = (await host.metrics.getSingleMetric(name)?.get())?.values ?? [];
  return rows.reduce((sum, row) => sum + row.value, 0);
}

describe("a word", () => {
  test("that is kept while a scorer runs is delivered at once, by a controller that does not lead", async () => {
    await using scorer = await startFakeScorer(nats);
    await using controller = await startOutbox(nats);
    const word = overrideOf(0.5);
    await controller.outbox.keep([word]);
    expect(await controller.outbox.acknowledged([word], inTime())).toBe(1);
    expect(scorer.heard).toEqual([word]);
    await controller.emptied();
  });

  test("waits while no scorer runs, which shows in all controllers, and is delivered by the one that leads", async () => {
    await using one = await startOutbox(nats);
    await using other = await startOutbox(nats);
    one.lead(true);
    const word = overrideOf(0.5);
    await other.outbox.keep([word]);
    expect(await other.outbox.acknowledged([word], soon())).toBeUndefined();
    for (const controller of [one, other]) {
      await eventually(() => controller.outbox.waiting === 1, LONG);
      expect(controller.note()).toContain("words about trust that wait for a trust scorer: 1");
      expect(controller.host.readiness.ready).toBe(true);
    }
    await using scorer = await startFakeScorer(nats);
    await one.emptied();
    expect(scorer.taken()).toEqual([word.id]);
    for (const controller of [one, other]) {
      await eventually(() => controller.outbox.waiting === 0 && controller.note() === undefined, LONG);
    }
  });

  test("of a controller that is gone is delivered by the next one that begins to lead", async () => {
    const word = overrideOf(0.5);
    await using scorer = await startFakeScorer(nats);
    const gone = await startOutbox(nats);
    await gone.outbox.keep([word]);
    await gone[Symbol.asyncDispose]();
    await using next = await startOutbox(nats);
    expect(await next.stored()).toEqual([word]);
    next.lead(true);
    // At once, and not with its next turn.
    await eventually(() => scorer.taken().includes(word.id), { timeoutMs: 1200 });
    await next.emptied();
  });

  test("that another controller has delivered is acknowledged to the one that asks, with its number", async () => {
    await using _scorer = await startFakeScorer(nats);
    await using one = await startOutbox(nats);
    await using other = await startOutbox(nats);
    const words = overridesOf(2);
    await one.outbox.keep(words);
    other.lead(true);
    await other.emptied();
    expect(await one.outbox.acknowledged(words, inTime())).toBe(2);
  });

  test("that was delivered by a controller which ended before it could take it out is delivered again, as the same one", async () => {
    await using scorer = await startFakeScorer(nats);
    await using controller = await startOutbox(nats);
    const words = overridesOf(2);
    await controller.outbox.keep(words);
    expect(await controller.outbox.acknowledged(words, inTime())).toBe(2);
    await controller.emptied();
    await controller.put(encodeOverrides(words));
    controller.lead(true);
    await controller.emptied();
    expect(idsOf(scorer.heard)).toEqual([...idsOf(words), ...idsOf(words)]);
    expect(scorer.taken()).toEqual(idsOf(words));
  });

  test("waits behind those before it, and is delivered after them", async () => {
    let isReady = false;
    await using scorer = await startFakeScorer(nats, () => {
      if (!isReady) throw new ScbeError("NOT_READY", "its stream is away");
    });
    await using controller = await startOutbox(nats);
    controller.lead(true);
    const words = overridesOf(5);
    for (const word of words) await controller.outbox.keep([word]);
    expect(await controller.outbox.acknowledged(words.slice(4), soon())).toBeUndefined();
    expect(new Set(idsOf(scorer.heard))).toEqual(new Set([words[0]?.id]));
    isReady = true;
    expect(await controller.outbox.acknowledged(words, inTime())).toBe(5);
    await controller.emptied();
    expect(scorer.taken()).toEqual(idsOf(words));
  });

  test.each<ErrorCode>(["BAD_REQUEST"])(
    "that the scorer refuses with %s is taken out, logged and audited once, and blocks no other one",
    async (code) => {
      const words = [overrideOf(0.1), overrideOf(0.2), overrideOf(0.3)];
      const refused = words[1];
      if (refused === undefined) throw new Error("no word");
      await using scorer = await startFakeScorer(nats, ({ id }) => {
        if (id === refused.id) throw new ScbeError(code, "not that one");
      });
      await using controller = await startOutbox(nats);
      await controller.outbox.keep(words);
      const acknowledged = controller.outbox.acknowledged(words, inTime());
      await expect(acknowledged).rejects.toMatchObject({
        code: "CONFLICT",
        message: expect.stringContaining(`(${code}: not that one), and it is not kept`),
      });
      await controller.emptied();
      expect(scorer.taken()).toEqual([words[0]?.id, words[2]?.id]);
      const byController = controller.audit.records.filter(({ by }) => by === "rollback-controller");
      expect(byController).toMatchObject([
        {
          ...{ action: "trust" },
          reason: expect.stringMatching(/refused the calibration of openai .* said by ana$/),
          after: { refused: { kind: "calibration", provider: "openai", id: refused.id, code } },
        },
      ]);
      expect(controller.host.logs.lines).toContainEqual(
        expect.objectContaining({
          level: "error",
          code,
          msg: "a trust scorer has refused a word about trust",
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
    const words = overridesOf(2);
    await controller.outbox.keep(words);
    expect(await controller.outbox.acknowledged(words, soon())).toBeUndefined();
    expect(await controller.stored()).toEqual(words);
    isAway = false;
    await controller.emptied();
    expect(scorer.taken()).toEqual(idsOf(words));
  });

  test("that nobody here has waited for is an entry of the audit when it is delivered, by the one who said it", async () => {
    await using _scorer = await startFakeScorer(nats);
    await using one = await startOutbox(nats);
    await using other = await startOutbox(nats);
    const [word] = overridesOf(1);
    if (word === undefined) throw new Error("no word");
    await one.outbox.keep([word]);
    other.lead(true);
    await other.emptied();
    const { kind, provider, id, by, reason } = word;
    const entry = { action: "trust", by, reason, after: { delivered: { kind, provider, id } } };
    expect(other.audit.records).toMatchObject([entry]);
    expect(one.audit.records).toEqual([]);
  });

  test("that the scorer has failed for a day long is given up, logged and audited, and holds back no other one", async () => {
    const old = { ...overrideOf(0.1), at: Date.now() - 25 * 3_600_000 };
    const words = [old, overrideOf(0.2)];
    await using scorer = await startFakeScorer(nats, ({ id }) => {
      if (id === old.id) throw new ScbeError("INTERNAL", "a defect");
    });
    await using controller = await startOutbox(nats);
    controller.lead(true);
    await controller.outbox.keep(words);
    await controller.emptied();
    expect(scorer.taken()).toEqual([words[1]?.id]);
    expect(controller.audit.records).toContainEqual(
      expect.objectContaining({
        after: { refused: expect.objectContaining({ id: old.id, code: "INTERNAL" }) },
      }),
    );
  });

  test("that the scorer fails for waits, and holds back those about its provider alone", async () => {
    let hasDefect = true;
    const words = [overrideOf(0.1), overrideOf(0.2), overrideOf(0.3, "xai")];
    await using scorer = await startFakeScorer(nats, ({ id }) => {
      if (hasDefect && id === words[0]?.id) throw new ScbeError("INTERNAL", "a defect");
    });
    await using controller = await startOutbox(nats);
    controller.lead(true);
    await controller.outbox.keep(words);
    await eventually(() => scorer.taken().length === 1, LONG);
    expect(scorer.taken()).toEqual([words[2]?.id]);
    hasDefect = false;
    await controller.emptied();
    expect(scorer.taken()).toEqual([words[2]?.id, words[0]?.id, words[1]?.id]);
    expect(controller.audit.records.every(({ by }) => by === "ana")).toBe(true);
  });
});

describe("what is kept", () => {
  test("is bounded: a further word is refused with BUSY, and nothing of it is kept", async () => {
    await using controller = await startOutbox(nats);
    const most = overridesOf(PENDING_OVERRIDES_MAX - 1);
    await controller.outbox.keep(most);
    await expect(controller.outbox.keep(overridesOf(2))).rejects.toMatchObject({
      code: "BUSY",
      message: expect.stringMatching(/^63 words about trust wait.*nothing was kept/),
    });
    await controller.outbox.keep([overrideOf(1)]);
    await expect(controller.outbox.keep([overrideOf(1)])).rejects.toMatchObject({ code: "BUSY" });
    expect(await controller.stored()).toHaveLength(PENDING_OVERRIDES_MAX);
  });

  test("loses no word that two controllers keep at the same time", async () => {
    await using one = await startOutbox(nats);
    await using other = await startOutbox(nats);
    const words = overridesOf(24);
    await Promise.all(words.map((word, n) => (n % 2 === 0 ? one : other).outbox.keep([word])));
    expect(idsOf((await one.stored()) ?? []).toSorted()).toEqual(idsOf(words).toSorted());
  });

  test("loses nothing while two controllers keep and deliver, and no word is counted twice", async () => {
    await using scorer = await startFakeScorer(nats);
    await using one = await startOutbox(nats);
    await using other = await startOutbox(nats);
    one.lead(true);
    other.lead(true);
    const words = overridesOf(24);
    await Promise.all(
      words.map(async (word, n) => {
        const { outbox } = n % 2 === 0 ? one : other;
        await outbox.keep([word]);
        expect(await outbox.acknowledged([word], inTime())).toBeGreaterThan(0);
      }),
    );
    await one.emptied();
    expect(scorer.taken().toSorted()).toEqual(idsOf(words).toSorted());
  });

  test("is mended into what waited before when it cannot be read, and that shows", async () => {
    await using controller = await startOutbox(nats);
    const words = overridesOf(2);
    await controller.outbox.keep(words);
    await controller.put(Buffer.from("{"));
    await eventually(() => controller.note()?.includes("cannot be read") === true, LONG);
    controller.lead(true);
    await eventually(async () => (await metric(controller, "scbe_records_mended_total")) === 1, LONG);
    expect(await controller.stored()).toEqual(words);
    expect(controller.note("stored trust_words")).toContain("the 2 words about trust that waited before");
    await using scorer = await startFakeScorer(nats);
    await controller.emptied();
    expect(scorer.taken()).toEqual(idsOf(words));
  });

  test("begins empty where nothing before can be read, and takes the next word", async () => {
    await using controller = await startOutbox(nats);
    for (let times = 0; times < 6; times += 1) await controller.put(Buffer.from(`${times}`));
    const word = overrideOf(0.5);
    await controller.outbox.keep([word]);
    expect(await controller.stored()).toEqual([word]);
    expect(controller.note("stored trust_words")).toContain("no words about trust");
    expect(controller.host.logs.lines).toContainEqual(
      expect.objectContaining({ level: "error", record: "trust_words" }),
    );
  });
});

describe("a controller", () => {
  test("that stops while a scorer keeps it waiting does so at once, and the word stays", async () => {
    const { promise: stuck, resolve: goOn } = Promise.withResolvers<void>();
    await using scorer = await startFakeScorer(nats, () => stuck);
    const controller = await startOutbox(nats);
    const word = overrideOf(0.5);
    await controller.outbox.keep([word]);
    const acknowledged = controller.outbox.acknowledged([word], AbortSignal.timeout(1000));
    await eventually(() => scorer.heard.length > 0, LONG);
    await controller.outbox[Symbol.asyncDispose]();
    expect(await acknowledged).toBeUndefined();
    expect(await controller.stored()).toEqual([word]);
    await controller[Symbol.asyncDispose]();
    goOn();
  });

  test("without its store keeps nothing, and says so; with it, it goes on", async () => {
    await using store = await startStore();
    await using controller = await startOutbox(store.nats);
    const word = overrideOf(0.5);
    await store.jetStream(false);
    await expect(
      eventually(
        () =>
          controller.outbox.keep([word]).then(
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
    await eventually(() => controller.outbox.keep([word]).then(() => true), LONG);
    expect(await controller.stored()).toContainEqual(word);
  }, 60_000);
});

test("a word whose storing is not confirmed may have been kept, which is what its refusal says", async () => {
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
    message: expect.stringContaining("not confirmed that it keeps the word (TIMEOUT)"),
  });
});
