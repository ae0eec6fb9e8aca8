import { createReadiness, systemClock } from "@scbe/runtime";
import { collectLogs, eventually } from "@scbe/testkit";
import { expect, test } from "vitest";
import type { ProcessedAlertsChange } from "../alerts/processed-alerts.ts";
import { NO_PROCESSED_ALERTS, type ProcessedAlertsState } from "../alerts/processed-state.ts";
import type { AuditRecord } from "../ports.ts";
import { CatchUp, type SecurityStream, type StoredReuse } from "./catch-up.ts";

/** A stream with events, and a record of its progress; the test changes both. */
function world() {
  let state: ProcessedAlertsState = NO_PROCESSED_ALERTS;
  const it = {
    created: "2026-01-01T00:00:00Z",
    last: 0,
    /** Missing numbers. */
    gaps: new Set<number>(),
    get security() {
      return state.security;
    },
    processed: {
      get current() {
        return state;
      },
      known: true,
      update: async (change: ProcessedAlertsChange) => {
        const before = state;
        state = change(before);
        return state !== before;
      },
    },
  };
  const stream: SecurityStream = {
    bounds: async () => {
      const { created, last } = it;
      return { created, first: 1, last, messages: last, bytes: 0, bytesMax: -1 };
    },
    batch: async (from, last) =>
      Array.from({ length: Math.max(0, Math.min(last, it.last) - from + 1) }, (_, n) => from + n)
        .filter((seq) => !it.gaps.has(seq))
        .slice(0, 16)
        .map((seq) => ({ seq, at: Date.now(), event: undefined })),
    listen: () => new AsyncDisposableStack(),
  };
  return Object.assign(it, { stream });
}

function reading({ stream, processed }: ReturnType<typeof world>) {
  const seqs: number[] = [];
  const audited: AuditRecord[] = [];
  const readiness = createReadiness();
  const control = { fails: false };
  const catchUp = new CatchUp({
    stream,
    processed,
    audit: { append: (record) => void audited.push(record), read: async () => [] },
    clock: systemClock,
    log: collectLogs().log,
    readiness,
    process: async ({ seq }: StoredReuse) => {
      if (control.fails) return false;
      seqs.push(seq);
      return true;
    },
    everyMs: 3_600_000,
  });
  const read = async (expected: readonly number[]): Promise<void> => {
    catchUp.nudge();
    await eventually(() => seqs.length >= expected.length);
    expect(seqs).toEqual(expected);
  };
  return { catchUp, read, seqs, audited, control };
}

test("each message is processed once, in order, across gaps", async () => {
  const it = world();
  const { catchUp, read } = reading(it);
  await using _ = catchUp;
  it.last = 3;
  it.gaps.add(2);
  await read([1, 3]);
  it.last = 5;
  await read([1, 3, 4, 5]);
  expect(it.security).toEqual({ created: it.created, seq: 5 });
});

test("a message that could not be processed stops the pass, and is read again", async () => {
  const it = world();
  const { catchUp, read, control } = reading(it);
  await using _ = catchUp;
  it.last = 2;
  await read([1, 2]);
  it.last = 4;
  control.fails = true;
  await read([1, 2]);
  expect(it.security?.seq).toBe(2);
  control.fails = false;
  await read([1, 2, 3, 4]);
});

test("a stream that was made anew is read from its start", async () => {
  const it = world();
  const { catchUp, read } = reading(it);
  await using _ = catchUp;
  it.last = 5;
  await read([1, 2, 3, 4, 5]);
  it.created = "2026-01-02T00:00:00Z";
  it.last = 2;
  await read([1, 2, 3, 4, 5, 1, 2]);
  await eventually(() => it.security?.seq === 2);
  it.last = 6;
  await read([1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6]);
});

test("a stream that has gone back, as after a restore, is read from its start, and later messages are not missed", async () => {
  const it = world();
  const { catchUp, read } = reading(it);
  await using _ = catchUp;
  it.last = 5;
  await read([1, 2, 3, 4, 5]);
  it.last = 2;
  await read([1, 2, 3, 4, 5, 1, 2]);
  expect(it.security?.seq).toBe(2);
  it.last = 3;
  await read([1, 2, 3, 4, 5, 1, 2, 3]);
});

test("of two controllers that read the same messages, one records and audits them, and neither moves the mark back", async () => {
  const it = world();
  const [left, right] = [reading(it), reading(it)];
  await using _left = left.catchUp;
  await using _right = right.catchUp;
  it.last = 450;
  const all = Array.from({ length: 450 }, (_, n) => n + 1);
  await Promise.all([left.read(all), right.read(all)]);
  await eventually(() => it.security?.seq === 450);
  const reasons = [...left.audited, ...right.audited].map(({ reason }) => Number.parseInt(reason, 10));
  expect(reasons.reduce((sum, count) => sum + count, 0)).toBe(450);
});

test("nothing is read before the progress is known", async () => {
  const it = world();
  it.last = 1;
  const { catchUp, seqs, read } = reading(it);
  await using _ = catchUp;
  it.processed.known = false;
  await read([]);
  await catchUp[Symbol.asyncDispose]();
  expect(seqs).toEqual([]);
});
