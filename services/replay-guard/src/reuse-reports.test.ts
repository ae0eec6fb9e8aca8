import { randomBytes } from "node:crypto";
import type { StoreBus } from "@scbe/bus";
import { type AdmitItem, NonceReuseEvent, ScbeError } from "@scbe/contracts";
import { systemClock } from "@scbe/runtime";
import { collectLogs, eventually } from "@scbe/testkit";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { replayMetrics } from "./metrics.ts";
import { describeReuse, ReuseReports } from "./reuse-reports.ts";

function item(): AdmitItem {
  return {
    epoch: randomBytes(16),
    sessionId: randomBytes(32),
    counter: 9,
    replayNonce: randomBytes(24),
    tag: randomBytes(16),
    attempt: randomBytes(16),
  };
}

type Publish = StoreBus["publishAcknowledged"];

/** Reports into a stream with the given answers, and everything that was sent to it. */
function reporting(answer: (tries: number) => Promise<void>) {
  const registry = new Registry();
  const logs = collectLogs();
  const sent: { subject: string; event: NonceReuseEvent; id: string }[] = [];
  const publishAcknowledged: Publish = async (subject, data, { id }) => {
    sent.push({ subject, event: NonceReuseEvent.parse(JSON.parse(Buffer.from(data).toString())), id });
    await answer(sent.length);
    return { seq: sent.length, duplicate: false };
  };
  const broadcast: string[] = [];
  const bus = { publish: (subject: string) => void broadcast.push(subject) };
  const store = { publishAcknowledged };
  const metrics = replayMetrics(registry, ["openai"]);
  const reports = new ReuseReports({ bus, store, clock: systemClock, log: logs.log, metrics, env: "dev" });
  const count = async (result: string): Promise<number> => {
    const rows = (await registry.getSingleMetric("scbe_replay_reuse_reports_total")?.get())?.values ?? [];
    return rows.find(({ labels }) => labels.result === result)?.value ?? 0;
  };
  return { reports, sent, broadcast, logs, count };
}

test("a report is sent again, under the same id, until the stream has acknowledged it", async () => {
  const { reports, sent, broadcast, count } = reporting(async (tries) => {
    if (tries < 3) throw new ScbeError("TIMEOUT", "no acknowledgement");
  });
  reports.add(item(), "openai");
  await eventually(async () => (await count("acknowledged")) === 1);
  expect(sent).toHaveLength(3);
  expect(new Set(sent.map(({ id }) => id)).size).toBe(1);
  expect(sent[0]?.subject).toBe("scbe.v1.security.nonce_reuse.openai");
  expect(await count("failed")).toBe(2);
  expect(broadcast).toEqual(["scbe.v1.security.nonce_reuse.openai"]);
  await reports[Symbol.asyncDispose]();
});

test("waiting reports are bounded, and a dropped one is counted and logged", async () => {
  const { reports, logs, count } = reporting(() => Promise.reject(new ScbeError("DISCONNECTED", "away")));
  for (let sent = 0; sent < 1030; sent += 1) reports.add(item(), "openai");
  expect(await count("dropped")).toBe(6);
  expect(logs.text).toContain("reports of nonce reuse are dropped");
  await reports[Symbol.asyncDispose]();
  expect(await count("dropped")).toBe(1030);
  expect(logs.text).toContain("reports of nonce reuse are lost");
}, 10_000);

test("a flood of one provider drops no report of another, and logs one line for each waiting report", async () => {
  const { reports, logs, count } = reporting(() => Promise.reject(new ScbeError("DISCONNECTED", "away")));
  for (let sent = 0; sent < 3000; sent += 1) reports.add(item(), "openai");
  const dropped = await count("dropped");
  reports.add(item(), "anthropic");
  expect(await count("dropped")).toBe(dropped);
  expect(logs.text.match(/a nonce was used twice/g)).toHaveLength(1024 + 1);
  expect(logs.text.match(/reports of nonce reuse are dropped/g)).toHaveLength(1);
  await reports[Symbol.asyncDispose]();
}, 10_000);

test("reports that wait when the guard stops are sent before it has stopped", async () => {
  const { reports, count } = reporting(async () => undefined);
  for (let sent = 0; sent < 5; sent += 1) reports.add(item(), "openai");
  await reports[Symbol.asyncDispose]();
  expect(await count("acknowledged")).toBe(5);
});

test("the same reuse has one id at every opener, another envelope has another, and no event holds the session", () => {
  const one = item();
  const ids = [one, { ...one, attempt: randomBytes(16) }, { ...one, tag: randomBytes(16) }].map(
    (it) => describeReuse(it, "openai", "dev", 0).id,
  );
  expect(ids[0]).toBe(ids[1]);
  expect(ids[0]).not.toBe(ids[2]);
  const text = JSON.stringify(describeReuse(one, "openai", "dev", 0));
  for (const form of ["hex", "base64", "base64url"] as const) {
    expect(text).not.toContain(Buffer.from(one.sessionId).toString(form));
  }
});

test("a report that is added just when the one before is done is sent too", async () => {
  const { reports, count } = reporting(async () => undefined);
  for (let sent = 1; sent <= 20; sent += 1) {
    reports.add(item(), "openai");
    while ((await count("acknowledged")) < sent) await Promise.resolve();
  }
  expect(await count("acknowledged")).toBe(20);
  await reports[Symbol.asyncDispose]();
});
