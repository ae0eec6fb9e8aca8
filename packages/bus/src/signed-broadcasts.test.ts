import { expect, test } from "vitest";
import { CHECKS, SignedBroadcasts } from "./signed-broadcasts.ts";

interface Claim {
  readonly generation: number;
  readonly genuine: boolean;
}

/** A reader of claims in JSON that counts what it parses and verifies. */
function reading() {
  const counts = { parsed: 0, verified: 0 };
  let held = 0;
  let nowMs = 0;
  const broadcasts = new SignedBroadcasts<Claim, number>({
    clock: { monotonic: () => nowMs },
    parse: (bytes) => {
      counts.parsed += 1;
      try {
        return JSON.parse(Buffer.from(bytes).toString()) as Claim;
      } catch {
        return undefined;
      }
    },
    isNews: ({ generation }) => generation > held,
    verify: ({ generation, genuine }) => {
      counts.verified += 1;
      return genuine ? generation : undefined;
    },
  });
  const read = (bytes: Uint8Array, isAsked = false): string => {
    const reading = broadcasts.read(bytes, { isAsked });
    if (reading.result === "applied") held = reading.value;
    return reading.result;
  };
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  return { counts, read, pass, held: () => held };
}

const bytesOf = (generation: number, genuine = true): Buffer =>
  Buffer.from(JSON.stringify({ generation, genuine }));

test("a repeat of the last verified message is neither parsed nor verified, in any buffer", () => {
  const { counts, read } = reading();
  const shared = Buffer.from(bytesOf(7));
  expect(read(shared)).toBe("applied");
  shared.fill(0); // as the bus reuses its buffers
  for (let n = 0; n < 1000; n += 1) expect(read(bytesOf(7))).toBe("old");
  expect(counts).toEqual({ parsed: 1, verified: 1 });
});

test("a message that is not news is not verified, genuine or not, and does not count for the rate", () => {
  const { counts, read } = reading();
  expect(read(bytesOf(7))).toBe("applied");
  for (let n = 0; n < 1000; n += 1) {
    expect(read(bytesOf(6))).toBe("old");
    expect(read(bytesOf(7, false))).toBe("old");
    expect(read(Buffer.from("{"))).toBe("refused");
  }
  expect(counts.verified).toBe(1);
  expect(read(bytesOf(8))).toBe("applied");
});

test("forged news is verified at the limited rate, and the rest is dropped", () => {
  const { counts, read, pass } = reading();
  const results: string[] = [];
  for (let second = 0; second < 5; second += 1) {
    for (let n = 0; n < 1000; n += 1) results.push(read(bytesOf(9_000 + n, false)));
    pass(1000);
  }
  expect(counts.verified).toBe(CHECKS.burst + 4 * CHECKS.perSecond);
  expect(results.filter((it) => it === "refused")).toHaveLength(counts.verified);
  expect(results.filter((it) => it === "dropped")).toHaveLength(5000 - counts.verified);
});

test("a forgery of a higher generation changes nothing: a genuine lower one is applied", () => {
  const { read, held } = reading();
  expect(read(bytesOf(Number.MAX_SAFE_INTEGER, false))).toBe("refused");
  expect(read(bytesOf(8))).toBe("applied");
  expect(held()).toBe(8);
});

test("an answer to an own request is verified despite a flood of broadcasts, and does not count for the rate", () => {
  const { read } = reading();
  for (let n = 0; n < 1000; n += 1) read(bytesOf(9_000 + n, false));
  expect(read(bytesOf(8))).toBe("dropped");
  expect(read(bytesOf(8), true)).toBe("applied");
  expect(read(bytesOf(8))).toBe("old");
});
