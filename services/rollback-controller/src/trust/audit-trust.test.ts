import { type ProviderTrust, type TrustDocument, UNKNOWN_PROVIDER } from "@scbe/contracts";
import { createLogger } from "@scbe/service";
import { eventually } from "@scbe/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AuditEntry, AuditRecord } from "../ports.ts";
import { auditTrust } from "./audit-trust.ts";

const log = createLogger({ name: "test", level: "silent" });
const SINCE = 1_800_000_000_000;
const MINUTE = 60_000;
const ROW = { w: 0, samples: 5, exclusions: 1, latch: null, at: SINCE };
const EXCLUDED: ProviderTrust = {
  ...{ ...UNKNOWN_PROVIDER, quorum: { needs: 2, of: 2 } },
  tellers: {
    web: { ...ROW, exclusion: { since: SINCE, until: SINCE + MINUTE } },
    batch: { ...ROW, exclusion: { since: SINCE, until: SINCE + MINUTE } },
  },
};
const LATCHED: ProviderTrust = {
  ...UNKNOWN_PROVIDER,
  latch: { cause: "bound_response_fails", since: SINCE, event: "e1", n: 2, tellers: ["batch", "web"] },
};

let stored: AuditRecord[];
let document: TrustDocument | undefined;
let leading: boolean;
let now: number;
let reads: number;
let listeners: Set<() => void>;

beforeEach(() => {
  [stored, document, leading, now, reads, listeners] = [[], undefined, true, SINCE, 0, new Set()];
});

function start() {
  const onChange = (listener: (leading: boolean) => void) => {
    const own = (): void => listener(leading);
    listeners.add(own);
    return { [Symbol.dispose]: () => void listeners.delete(own) };
  };
  return auditTrust({
    follower: {
      get document() {
        return document;
      },
      onChange,
    },
    audit: {
      append: (record) => void stored.push(record),
      read: async () => {
        reads += 1;
        return stored.map((record, n): AuditEntry => ({ ...record, seq: n + 1, previous: "", hash: "" }));
      },
    },
    leadership: {
      get leading() {
        return leading;
      },
      onChange,
    },
    clock: { now: () => now },
    log,
  });
}

function hear(openai: ProviderTrust): void {
  document = { v: 1, stream: { created: "monday", seq: 1 }, providers: { openai } };
  for (const listener of listeners) listener();
}

let auditing: AsyncDisposable | undefined;
afterEach(async () => auditing?.[Symbol.asyncDispose]());

const reasons = (): string[] => stored.map(({ reason }) => reason);

test("each latch and each exclusion that comes into force for all is audited once, with its tellers and the provider's trust", async () => {
  auditing = start();
  hear(UNKNOWN_PROVIDER);
  await eventually(() => reads === 1);
  hear(EXCLUDED);
  await eventually(() => stored.length === 1);
  hear({ ...EXCLUDED, doubts: 7 });
  hear({ ...EXCLUDED, latch: LATCHED.latch });
  await eventually(() => stored.length === 2);
  expect(stored).toMatchObject([
    {
      action: "trust",
      by: "trust-scorer",
      after: { provider: "openai", tellers: [{ teller: "batch" }, { teller: "web" }] },
    },
    { action: "trust", by: "trust-scorer" },
  ]);
  expect(reasons()).toEqual([
    expect.stringMatching(/^openai: excluded for all until .*: outcomes reported by web, batch$/),
    "openai: latched for all: bound_response_fails by batch, web, event e1",
  ]);
});

test("a new leader audits what is in force and not audited yet, and nothing that has ended", async () => {
  auditing = start();
  hear(LATCHED);
  await eventually(() => stored.length === 1);
  await auditing[Symbol.asyncDispose]();
  auditing = start();
  hear({ ...EXCLUDED, latch: LATCHED.latch });
  await eventually(() => stored.length === 2);
  expect(reasons()[1]).toContain("excluded for all");
  await auditing[Symbol.asyncDispose]();
  [stored, now, reads] = [[], SINCE + MINUTE, 0];
  auditing = start();
  hear(EXCLUDED);
  await eventually(() => reads === 1);
  await auditing[Symbol.asyncDispose]();
  expect(stored).toEqual([]);
});

test("a controller that does not lead audits nothing", async () => {
  leading = false;
  auditing = start();
  hear(LATCHED);
  await auditing[Symbol.asyncDispose]();
  expect([stored, reads]).toEqual([[], 0]);
});
