import { expect, test } from "vitest";
import { judgeBroadcast } from "./judge-broadcast.ts";

const HELD = { stream: { created: "monday", seq: 7 } };

test.each([
  ["the first one is taken", undefined, { created: "monday", seq: 0 }, "take"],
  ["a newer one is taken", HELD, { created: "monday", seq: 8 }, "take"],
  ["one of the same place is taken", HELD, { created: "monday", seq: 7 }, "take"],
  ["one that goes back is not", HELD, { created: "monday", seq: 6 }, "look up"],
  ["one of another stream is not, however far it is", HELD, { created: "tuesday", seq: 9 }, "look up"],
] as const)("%s", (_is, held, place, judgement) => {
  expect(judgeBroadcast(held, place)).toBe(judgement);
});
