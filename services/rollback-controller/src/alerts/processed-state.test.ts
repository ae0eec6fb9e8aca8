import type { RollbackPath } from "@scbe/contracts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { addSignal, closeIncident, type Incident, PATHS_WINDOW_MS } from "./processed-state.ts";

const MINUTE = 60_000;

/** What has become of an incident after all of it, with a look each minute. */
function after(told: readonly (readonly [minute: number, path: RollbackPath])[], untilMinute: number) {
  let incident: Incident | undefined;
  const verdicts: string[] = [];
  for (let minute = 0; minute <= untilMinute; minute += 1) {
    for (const [at, path] of told) if (at === minute) incident = addSignal(incident, path, minute * MINUTE);
    if (incident !== undefined) incident = closeIncident(incident, minute * MINUTE);
    if (incident !== undefined && incident.verdict !== verdicts.at(-1)) verdicts.push(incident.verdict);
  }
  return verdicts;
}

/** Once in each minute from one to the other. */
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
  ["events that go on, alone", each(0, 40, "event"), 60, ["open", "alone"]],
  [
    "an event whose alert goes on for twenty minutes",
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
    "two that are an hour apart, the second one alone",
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
] as const)("%s", (_case, told, until, verdicts) => {
  expect(after(told, until)).toEqual(verdicts);
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

test("a clock that goes back judges nothing too early, and never goes back itself", () => {
  const times = fc.array(fc.tuple(fc.nat(30 * MINUTE), fc.constantFrom("event" as const, "alert" as const)), {
    minLength: 1,
  });
  fc.assert(
    fc.property(times, (told) => {
      let incident: Incident | undefined;
      for (const [at, path] of told) {
        const next = addSignal(incident, path, at);
        if (incident !== undefined) expect(next.last).toBeGreaterThanOrEqual(incident.last);
        incident = next;
        expect(closeIncident(incident, incident.at + PATHS_WINDOW_MS)).toBe(incident);
      }
    }),
  );
});
