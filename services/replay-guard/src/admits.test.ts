import { randomBytes } from "node:crypto";
import type { AdmitItem, EpochRecord } from "@scbe/contracts";
import { systemClock } from "@scbe/runtime";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { Admits, type AdmitsOptions } from "./admits.ts";
import { memoryStore } from "./edge/memory-store.ts";
import type { EpochInForce, EpochKeeper } from "./epoch-keeper.ts";
import { replayMetrics } from "./metrics.ts";
import type { ReuseReports } from "./reuse-reports.ts";

const MINUTE = 30_000_000;

function epochNamed(fill: number, store = "store"): EpochInForce {
  const bytes = Buffer.alloc(16, fill);
  const epoch = bytes.toString("base64url");
  const record: EpochRecord = { v: 1, env: "dev", epoch, generation: fill, store, from: MINUTE, to: MINUTE };
  return { bytes, record };
}

function item({ bytes }: EpochInForce): AdmitItem {
  const sessionId = randomBytes(32);
  sessionId.writeUInt32BE(MINUTE);
  const [replayNonce, tag, attempt] = [randomBytes(24), randomBytes(16), randomBytes(16)];
  return { epoch: bytes, sessionId, counter: 1, replayNonce, tag, attempt };
}

/** Admits on a store with buckets for both epochs; the next pass finds `found`. */
async function admitting(known: EpochInForce | undefined, found: EpochInForce | undefined) {
  const store = memoryStore({ clock: systemClock, entriesMax: 100, quota: 3, id: "store" });
  for (const { record } of [known, found].filter((it) => it !== undefined)) {
    await store.make({ epoch: record.epoch, buckets: [{ minute: MINUTE, lifeMs: 60_000 }] }, undefined);
  }
  const keeper = { inForce: known };
  const counts = { passes: 0 };
  const overQuota: string[] = [];
  const pass = async (): Promise<void> => {
    counts.passes += 1;
    keeper.inForce = found;
  };
  const options: AdmitsOptions = {
    store,
    keeper: keeper as EpochKeeper,
    loop: { next: pass, recent: pass },
    reports: { add: () => undefined } as unknown as ReuseReports,
    quotas: {
      minutesToCount: () => [MINUTE],
      refused: (provider, count) => void overQuota.push(`${provider} ${count}`),
    },
    metrics: replayMetrics(new Registry(), ["openai"]),
  };
  return { admits: new Admits(options), counts, overQuota };
}

const [FIRST, SECOND] = [epochNamed(1), epochNamed(2)];

test("an envelope for an epoch that this guard does not know yet causes a pass, and is admitted", async () => {
  const { admits } = await admitting(FIRST, SECOND);
  expect(await admits.decide([item(SECOND)], "openai")).toEqual(["fresh"]);
});

test("an envelope for an epoch that is not in force is refused, and others of its batch are admitted", async () => {
  const { admits } = await admitting(FIRST, FIRST);
  expect(await admits.decide([item(SECOND), item(FIRST)], "openai")).toEqual(["refused", "fresh"]);
});

test("nothing is judged while no epoch is verified", async () => {
  const { admits } = await admitting(undefined, undefined);
  await expect(admits.decide([item(FIRST)], "openai")).rejects.toMatchObject({ code: "NOT_READY" });
});

test("a store that is not the record's refuses all, and causes a pass at once", async () => {
  const elsewhere = epochNamed(1, "another store");
  const { admits, counts } = await admitting(elsewhere, elsewhere);
  expect(await admits.decide([item(elsewhere)], "openai")).toEqual(["refused"]);
  expect(counts.passes).toBe(1);
});

test("a provider at its quota is refused and reported, another is admitted, and this causes no pass", async () => {
  const { admits, counts, overQuota } = await admitting(FIRST, FIRST);
  const items = Array.from({ length: 5 }, () => item(FIRST));
  expect(await admits.decide(items, "openai")).toEqual(["fresh", "fresh", "fresh", "refused", "refused"]);
  expect(await admits.decide(items.slice(0, 1), "anthropic")).toEqual(["fresh"]);
  expect([overQuota, counts.passes]).toEqual([["openai 2"], 0]);
});
