import { HEADERS } from "@scbe/contracts";
import { expect, test } from "vitest";
import { ClockOffset } from "./clock-offset.ts";

const KEYRING_MS = 1_800_000_000_000;

function setup() {
  const clock = { wall: KEYRING_MS, steady: 0, now: () => clock.wall, monotonic: () => clock.steady };
  const offset = new ClockOffset(clock);
  const hear = (text: string | undefined): void =>
    offset.hear({ header: (name) => (name === HEADERS.timeMs ? text : undefined) });
  return { clock, offset, hear };
}

test("the offset is not known before the keyring was heard", () => {
  expect(setup().offset.ms).toBeUndefined();
});

test.each([
  ["ahead of the keyring's is above 0", 1500],
  ["behind the keyring's is below 0", -1500],
])("a clock that is %s", (_what, offsetMs) => {
  const { clock, offset, hear } = setup();
  clock.wall = KEYRING_MS + offsetMs;
  hear(String(KEYRING_MS));
  expect(offset.ms).toBe(offsetMs);
});

test("broadcasts that were held up on their way do not move it", () => {
  const { clock, offset, hear } = setup();
  for (let turn = 0; turn < 15; turn += 1) {
    clock.wall = KEYRING_MS + (turn % 3 === 0 ? 9000 : 2);
    hear(String(KEYRING_MS));
  }
  expect(offset.ms).toBe(2);
});

test("it follows a clock that is set, within fifteen broadcasts", () => {
  const { clock, offset, hear } = setup();
  for (let turn = 0; turn < 100; turn += 1) hear(String(KEYRING_MS));
  clock.wall += 60_000;
  for (let turn = 0; turn < 7; turn += 1) hear(String(KEYRING_MS));
  expect(offset.ms).toBe(0);
  hear(String(KEYRING_MS));
  expect(offset.ms).toBe(60_000);
});

test("it is not known any more a minute after the keyring was last heard", () => {
  const { clock, offset, hear } = setup();
  hear(String(KEYRING_MS));
  clock.steady += 60_000;
  expect(offset.ms).toBe(0);
  clock.steady += 1;
  expect(offset.ms).toBeUndefined();
});

test.each([[undefined], [""], ["now"], ["-1"], ["1e3"], ["1.5"], ["1".repeat(16)], [" 1"]])(
  "a broadcast that tells the time %j is no measurement",
  (text) => {
    const { offset, hear } = setup();
    hear(text);
    expect(offset.ms).toBeUndefined();
  },
);
