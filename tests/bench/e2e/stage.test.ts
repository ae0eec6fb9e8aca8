import { describe, expect, test } from "vitest";
import { assertSampled } from "./assert-sampled.ts";
import { measureLoad } from "./measure-load.ts";
import { startStage } from "./stage.ts";
import { nextMessage, Workers } from "./workers.ts";

describe("a round of calls", () => {
  test("has as many under way as it is told, and counts those whose answer names a trace", async () => {
    let underWay = 0;
    let most = 0;
    let calls = 0;
    const call = async (): Promise<object | undefined> => {
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise(setImmediate);
      underWay -= 1;
      calls += 1;
      return [undefined, {}, { traceId: "0af7" }, { body: "", traceId: "0af7" }][calls % 4];
    };
    const load = await measureLoad(call, 3, 30);
    expect(most).toBe(3);
    expect(load.calls).toBe(calls);
    expect(load.traced).toBeGreaterThan(calls / 2 - 4);
    expect(load.traced).toBeLessThan(calls / 2 + 4);
    expect(load.perSecond).toBeGreaterThan(0);
    expect(load.p99Ms).toBeGreaterThan(0);
  });

  test("ends with the first call that fails", async () => {
    const failing = measureLoad(() => Promise.reject(new Error("no gateway")), 2, 60_000);
    await expect(failing).rejects.toThrow("no gateway");
  });

  test.each([
    ["none of many is traced", { calls: 2000, traced: 0 }, 0.01],
    ["one is traced and none should be", { calls: 2000, traced: 1 }, 0],
    ["one is not traced and all should be", { calls: 5, traced: 4 }, 1],
  ])("is no figure when %s", (_, counts, share) => {
    expect(() => assertSampled({ ...counts, perSecond: 1, p99Ms: 1 }, share)).toThrow(/requests were traced/);
  });

  test.each([
    ["some are traced of those that may be", { calls: 2000, traced: 17 }, 0.01],
    ["it is too short for any", { calls: 1999, traced: 0 }, 0.01],
    ["none is traced and none should be", { calls: 2000, traced: 0 }, 0],
    ["all are traced and should be", { calls: 5, traced: 5 }, 1],
  ])("stands when %s", (_, counts, share) => {
    expect(() => assertSampled({ ...counts, perSecond: 1, p99Ms: 1 }, share)).not.toThrow();
  });
});

describe("a collector of the benchmark", () => {
  const post = async (url: string, signal?: AbortSignal): Promise<Response> =>
    fetch(`${url}/v1/traces`, { method: "POST", body: "spans", ...(signal && { signal }) });

  test("takes whatever it gets", async () => {
    await using workers = new Workers();
    const url = String(await nextMessage(workers.start("collector.ts", {})));
    expect((await post(url)).status).toBe(200);
    expect((await post(url)).status).toBe(200);
  });

  test("that hangs takes a connection, and answers nothing on it", async () => {
    await using workers = new Workers();
    const url = String(await nextMessage(workers.start("collector.ts", { BENCH_COLLECTOR_HANGS: "1" })));
    await expect(post(url, AbortSignal.timeout(300))).rejects.toThrow(
      expect.objectContaining({ name: "TimeoutError" }),
    );
  });

  test("tells with its output when it cannot start", async () => {
    await using workers = new Workers();
    const broken = workers.startReady("collector.ts", { NODE_OPTIONS: "--import=/nowhere.mjs" });
    await expect(broken).rejects.toThrow(/ended:.*nowhere\.mjs/s);
  });
});

test("every request of the way that is traced is recorded, or its round would be no figure", async () => {
  await using stage = await startStage();
  expect(await stage.perSecond("ours-traced-100pct", 4, 100)).toBeGreaterThan(0);
});
