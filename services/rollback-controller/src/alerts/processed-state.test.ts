import type { RollbackPath } from "@scbe/contracts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { addSignal, closeIncident, type Incident, PATHS_WINDOW_MS } from "./processed-state.ts";

const MINUTE = 60_000;

/** The verdicts of an incident after these signals, with a check each minute. */
function after(signals: readonly (readonly [minute: number, path: RollbackPath])[], untilMinute: number) {
  let incident: Incident | undefined;
  const verdicts: string[] = [];
  for (let minute = 0; minute <= untilMinute; minute += 1) {
    for (const [at, path] of signals)
      if (at === minute) incident = addSignal(incident, path, minute * MINUTE);
    if (incident !== undefined) incident = closeIncident(incident, minute * MINUTE);
    if (incident !== undefined && incident.verdict !== verdicts.at(-1)) verdicts.push(incident.verdict);
  }
  return verdicts;
}

/** One signal in each minute of the range. */
const each = (from: number, to: number, path: RollbackPath) =>
  Array.from({ length: to - from + 1 }, (_, n) => [from + n, path] as const);

test.each([
  [
    "an event, then its alert",
    [
      [0, "event"],
      [3, "alert"],
    ],
    60,
    ["open", "agreed"],
  ],
  [
    "an alert, then its event",
    [
      [0, "alert"],
      [1, "event"],
    ],
    60,
    ["open", "agreed"],
  ],
  ["an event alone", [[0, "event"]], 60, ["open", "alone"]],
  ["an alert alone", [[0, "alert"]], 60, ["open", "alone"]],
  ["continuing events alone", each(0, 40, "event"), 60, ["open", "alone"]],
  [
    "an event whose alert continues for twenty minutes",
    [[0, "event"], ...each(1, 21, "alert")],
    60,
    ["open", "agreed"],
  ],
  [
    "an alert that comes too late",
    [
      [0, "event"],
      [11, "alert"],
    ],
    60,
    ["open", "alone"],
  ],
  [
    "two incidents an hour apart, the second one alone",
    [
      [0, "event"],
      [1, "alert"],
      [61, "event"],
    ],
    120,
    ["open", "agreed", "open", "alone"],
  ],
  [
    "the last moment",
    [
      [0, "event"],
      [10, "alert"],
    ],
    60,
    ["open", "agreed"],
  ],
] as const)("%s", (_case, signals, until, verdicts) => {
  expect(after(signals, until)).toEqual(verdicts);
});

test("a flood changes an incident at most ten times in its window", () => {
  let incident: Incident | undefined;
  let changes = 0;
  for (let ms = 0; ms <= PATHS_WINDOW_MS; ms += 50) {
    const next = addSignal(incident, "event", ms);
    if (next !== incident) changes += 1;
    incident = next;
  }
  expect(changes).toBeLessThanOrEqual(11);
});

test("a clock that goes back closes no incident too early, and stored times never go back", () => {
  const times = fc.array(fc.tuple(fc.nat(30 * MINUTE), fc.constantFrom("event" as const, "alert" as const)), {
    minLength: 1,
  });
  fc.assert(
    fc.property(times, (signals) => {
      let incident: Incident | undefined;
      for (const [at, path] of signals) {
        const next = addSignal(incident, path, at);
        if (incident !== undefined) expect(next.last).toBeGreaterThanOrEqual(incident.last);
        incident = next;
        expect(closeIncident(incident, incident.at + PATHS_WINDOW_MS)).toBe(incident);
      }
    }),
  );
});
