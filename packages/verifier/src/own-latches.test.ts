import { type ProviderTrust, type TrustDocument, UNKNOWN_PROVIDER } from "@scbe/contracts";
import { createLogger } from "@scbe/service";
import { latched, ownLatch, toldBy } from "@scbe/testkit";
import { beforeEach, expect, test } from "vitest";
import { OwnLatches } from "./own-latches.ts";

const log = createLogger({ name: "test", level: "silent" });
const CREATED = "2027-01-15T08:00:00Z";
let listeners: Set<() => void>;
let document: TrustDocument | undefined;
let latches: OwnLatches;
let changes: number;

beforeEach(() => {
  listeners = new Set();
  document = undefined;
  changes = 0;
  const trust = {
    get document() {
      return document;
    },
    onChange: (listener: () => void) => {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
  latches = new OwnLatches({ trust, teller: "orchestrator", log });
  latches.onChange(() => {
    changes += 1;
  });
});

function hear(seq: number, openai: ProviderTrust = UNKNOWN_PROVIDER, created = CREATED): void {
  document = { v: 1, stream: { created, seq }, providers: { openai } };
  for (const listener of listeners) listener();
}

const OWN = toldBy("orchestrator", ownLatch());

test("a failure that this process saw refuses the provider at once, and also without a scorer", () => {
  expect(latches.has("openai")).toBe(false);
  latches.latch("openai");
  expect([latches.has("openai"), latches.has("xai"), changes]).toEqual([true, false, 1]);
});

test("a latch ends with a document that has its report applied and shows no latch of this user", () => {
  hear(5);
  latches.latch("openai");
  hear(6);
  latches.settled("openai", 8);
  hear(7);
  expect(latches.has("openai")).toBe(true);
  hear(8, OWN);
  expect(latches.has("openai")).toBe(true);
  hear(9);
  expect([latches.has("openai"), changes]).toEqual([false, 2]);
});

test("a clearing that was missed ends the latch with the next document", () => {
  latches.latch("openai");
  latches.settled("openai", 8);
  hear(20);
  expect(latches.has("openai")).toBe(false);
});

test.each([
  [
    "one of its reports is not stored yet",
    () => {
      latches.latch("openai");
      hear(10);
    },
  ],
  [
    "the document is of another stream, so its number is unrelated",
    () => hear(10, UNKNOWN_PROVIDER, "2027-02-01"),
  ],
  ["the provider is latched for all", () => hear(10, latched())],
])("a latch lasts while %s", (_while, meanwhile) => {
  hear(1);
  latches.latch("openai");
  latches.settled("openai", 8);
  meanwhile();
  expect(latches.has("openai")).toBe(true);
});

test("a dropped report keeps the latch, unless another report is stored", () => {
  hear(5);
  latches.latch("openai");
  latches.settled("openai", undefined);
  hear(9);
  expect(latches.has("openai")).toBe(true);
  latches.latch("openai");
  latches.latch("openai");
  latches.settled("openai", undefined);
  latches.settled("openai", 10);
  hear(11);
  expect(latches.has("openai")).toBe(false);
});

test("another user's latch does not count for this user", () => {
  latches.latch("openai");
  latches.settled("openai", 8);
  hear(9, toldBy("batch", ownLatch()));
  expect(latches.has("openai")).toBe(false);
});
