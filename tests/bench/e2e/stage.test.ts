import { describe, expect, test } from "vitest";
import { assertSampled, measureLoad } from "./load.ts";
import { startStage } from "./stage.ts";
import { nextMessage, Workers } from "./workers.ts";

describe("a round of calls", () => {
  test("keeps the ordered number of calls in flight, and counts those whose answer names a trace", async () => {
    let inFlight = 0;
    let most = 0;
    let calls = 0;
    const call = async (): Promise<object | undefined> => {
      inFlight += 1;
      most = Math.max(most, inFlight);
      await new Promise(setImmediate);
      inFlight -= 1;
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
  ])("is refused as a figure when %s", (_, counts, share) => {
    expect(() => assertSampled({ ...counts, perSecond: 1, p99Ms: 1 }, share)).toThrow(/requests were traced/);
  });

  test.each([
    ["some of a small share are traced", { calls: 2000, traced: 17 }, 0.01],
    ["it is too short to expect any", { calls: 1999, traced: 0 }, 0.01],
    ["none is traced and none should be", { calls: 2000, traced: 0 }, 0],
    ["all are traced and should be", { calls: 5, traced: 5 }, 1],
  ])("is accepted when %s", (_, counts, share) => {
    expect(() => assertSampled({ ...counts, perSecond: 1, p99Ms: 1 }, share)).not.toThrow();
  });
});

describe("a collector of the benchmark", () => {
  const post = async (url: string, signal?: AbortSignal): Promise<Response> =>
    fetch(`${url}/v1/traces`, { method: "POST", body: "spans", ...(signal && { signal }) });

  test("answers 200 to every export", async () => {
    await using workers = new Workers();
    const url = String(await nextMessage(workers.start("collector-program.ts", {})));
    expect((await post(url)).status).toBe(200);
    expect((await post(url)).status).toBe(200);
  });

  test("that hangs accepts a connection and never answers on it", async () => {
    await using workers = new Workers();
    const url = String(
      await nextMessage(workers.start("collector-program.ts", { BENCH_COLLECTOR_HANGS: "1" })),
    );
    await expect(post(url, AbortSignal.timeout(300))).rejects.toThrow(
      expect.objectContaining({ name: "TimeoutError" }),
    );
  });

  test("that cannot start fails with its output", async () => {
    await using workers = new Workers();
    const broken = workers.startReady("collector-program.ts", { NODE_OPTIONS: "--import=/nowhere.mjs" });
    await expect(broken).rejects.toThrow(/ended:.*nowhere\.mjs/s);
  });
});

test("every request of the fully traced target is recorded", async () => {
  await using stage = await startStage();
  expect(await stage.perSecond("ours-traced-100pct", 4, 100)).toBeGreaterThan(0);
});
