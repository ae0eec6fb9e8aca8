import type { Bus } from "@scbe/bus";
import { writeMessage } from "@scbe/contracts";
import { answerLease } from "@scbe/envelope/control";
import { controller, documentOf } from "@scbe/testkit";
import { expect, test } from "vitest";
import { LeaseAsker } from "./lease-asker.ts";
import { LeaseTime } from "./lease-time.ts";

const LEASE_MS = 5000;

/** Asks once; the bus, which repeats the question by itself, has the answer `answeredAtMs` after the first sending. */
async function askedAgain(answeredAtMs: number) {
  let nowMs = 0;
  const clock = { now: () => 0, monotonic: () => nowMs };
  const document = documentOf();
  const lease = new LeaseTime({ clock, leaseMs: LEASE_MS });
  const bus = {
    user: "gateway-openai",
    request: async (_: string, data: Uint8Array) => {
      nowMs = answeredAtMs;
      const question = JSON.parse(Buffer.from(data).toString("utf8"));
      const answer = writeMessage(answerLease(question, document, controller));
      return { subject: "", reply: undefined, data: answer, header: () => undefined };
    },
  } as Partial<Bus> as Bus;
  const asker = new LeaseAsker({
    ...{ bus, clock, lease, env: "dev", leaseMs: LEASE_MS, fallbackAllowed: false },
    publicKey: controller.publicKey,
    held: () => document,
    offer: () => undefined,
  });
  const result = await asker.ask(new AbortController().signal);
  return {
    result,
    isStaleAt: (ms: number) => {
      nowMs = ms;
      return lease.isStale;
    },
  };
}

test("the lease of a question that was sent again counts from its first sending", async () => {
  const it = await askedAgain(300);
  expect(it.result).toBe("granted");
  expect([LEASE_MS - 1, LEASE_MS].map(it.isStaleAt)).toEqual([false, true]);
  const late = await askedAgain(LEASE_MS);
  expect(late.result).toBe("unanswered");
});
