import type { ExampleRequest } from "@scbe/examples/decode-requests";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { keepTraffic } from "./traffic.ts";

let said: string;
beforeEach(() => {
  said = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const request = (id: string, provider: string): ExampleRequest => ({
  id,
  provider,
  model: "one",
  intent: "chat",
  contentType: "text/plain",
  body: Buffer.from(id),
});
const REQUESTS = [request("a-1", "a"), request("a-2", "a"), request("b-1", "b")];

/** Runs until `turns` requests were sent. @returns each with its route */
async function run(turns: number, fails: (turn: number) => boolean): Promise<string[]> {
  const sent: string[] = [];
  const done = new AbortController();
  const send = async (way: string, { body }: { body: Uint8Array }): Promise<void> => {
    const turn = sent.push(`${way} ${Buffer.from(body)}`);
    if (turn === turns) done.abort();
    if (fails(turn)) throw new Error("no answer");
  };
  await keepTraffic({
    client: { request: (sending) => send("client", sending) as Promise<never> },
    plain: {
      askGateway: (sending) => send("plain", sending),
      askEachOther: (sending) => send("both", sending),
      [Symbol.asyncDispose]: async () => undefined,
    },
    requests: REQUESTS,
    signal: done.signal,
    everyMs: 0,
  });
  return sent;
}

describe("example traffic", () => {
  test("goes to each provider in turn, by every route", async () => {
    const sent = await run(12, () => false);
    expect(sent.map((one) => one.split(/[ -]/)[1]).join("")).toBe("abababababab");
    for (const provider of ["a", "b"]) {
      const ways = sent.filter((one) => one.includes(` ${provider}-`)).map((one) => one.split(" ")[0]);
      expect(new Set(ways)).toEqual(new Set(["client", "plain", "both"]));
    }
    expect(new Set(sent.map((one) => one.split(" ")[1]))).toEqual(new Set(["a-1", "a-2", "b-1"]));
    expect(said).toBe("");
  });

  test("reports once for each provider that its requests fail, and once that they are answered again", async () => {
    await run(12, (turn) => turn > 2 && turn < 7);
    expect(said).toBe(
      [
        "scbe: example requests to a fail: no answer",
        "scbe: example requests to b fail: no answer",
        "scbe: example requests to a are answered again",
        "scbe: example requests to b are answered again",
        "",
      ].join("\n"),
    );
  });

  test("does not repeat a report while one provider of several is off", async () => {
    await run(12, (turn) => turn % 2 === 0);
    expect(said).toBe("scbe: example requests to b fail: no answer\n");
  });
});
