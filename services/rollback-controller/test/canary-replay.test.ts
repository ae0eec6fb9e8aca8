import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { decide } from "../src/canary/decide.ts";
import { evidenceWith } from "./canary-evidence.ts";

const PROGRAM = new URL("../src/replay-canary.ts", import.meta.url).pathname;
const T = 1_700_000_000_000;
const STEP = { share: 25, next_share: 50, since: T, hold_ms: 1_800_000, override: false };

/** An answer of `GET /canary`, with its derived members. */
function answerWith(decision: ReturnType<typeof decide>) {
  const record = { step: 1, share: 25, since: T, until: null, decision };
  return { leading: true, canaries: [{ provider: "openai", share: 25, history: [record] }] };
}

function replay(input: string, ...options: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...options], {
    input,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

test("the replay of a record gives the same decision and reasons", () => {
  const slow = decide(STEP, evidenceWith({ verify_p99_ms: { value: 80 } }), T + 600_000);
  expect(replay(JSON.stringify(answerWith(slow)))).toEqual({
    status: 0,
    stdout:
      "2023-11-14T22:23:20.000Z openai at 25 %: abort, the same again\n  verify_p99_ms: 80 is not below 25\n",
    stderr: "",
  });
});

test("a verdict that does not follow from its record is reported, with exit code 1", () => {
  const held = decide(STEP, evidenceWith({ verify_p99_ms: { samples: 3 } }), T + 1_800_000);
  const { status, stdout } = replay(JSON.stringify(answerWith({ ...held, verdict: "promote" })), "--json");
  expect(status).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject([{ recorded: "promote", verdict: "hold", same: false }]);
});

test.each([
  ["nothing", ""],
  ["no record", '{"canaries":[{"provider":"openai"}]}'],
])("%s is no record, and ends with exit code 2", (_named, input) => {
  const { status, stderr } = replay(input);
  expect([status, stderr]).toEqual([2, expect.stringContaining("there is no record of a canary")]);
});
