import { asking } from "./asking-timelines.ts";
import { TS } from "./fixed.ts";
import { grantsRead } from "./grant-timelines.ts";
import { ringsHeard, states } from "./ring-timelines.ts";
import { sealing } from "./sealing-timelines.ts";

/** Timelines of one sealer and opener: what it hears and reads, one after the other, and what its keys then do. */
export function keyStates() {
  return {
    start: TS,
    timelines: [...states(), ...ringsHeard(), ...grantsRead(), ...sealing(), ...asking()],
  };
}
