import type { ControlState } from "@scbe/contracts";
import { z } from "zod";
import { GivenReason } from "./fields.ts";
import { SkewWindowView, viewSkewWindow } from "./flags-view.ts";
import { apiRoute } from "./route.ts";

const SECONDS_MAX = 600;
const DURATION_SECONDS_MAX = 24 * 60 * 60;
const UNITS = { s: 1, m: 60, h: 3600 } as const;
const BOUNDS = "expected 0 to 86400 seconds, or a text like 90s, 10m or 2h of 24 hours at most";

/** Seconds, as a number or as a text like `10m`. */
const Duration = z
  .union([z.int().min(0), z.string().regex(/^\d{1,6}(s|m|h)?$/)], { error: BOUNDS })
  .transform(secondsOf)
  .refine((seconds) => seconds <= DURATION_SECONDS_MAX, { error: BOUNDS });

const SkewWindowBody = z
  .strictObject({
    seconds: z
      .int({ error: `expected an integer from 1 to ${SECONDS_MAX}` })
      .min(1, { error: `expected an integer from 1 to ${SECONDS_MAX}` })
      .max(SECONDS_MAX, { error: `expected an integer from 1 to ${SECONDS_MAX}` })
      .describe("How far ahead of an opener's clock an envelope's time stamp may be meanwhile"),
    duration: Duration.describe("How long it stands: seconds, or as `10m`; it ends by itself. 0 ends it now"),
    reason: GivenReason,
  })
  .meta({ id: "SkewWindowOrder" });
type SkewWindowBody = z.infer<typeof SkewWindowBody>;

/** `POST /admin/scbe/skew-window` */
export const postSkewWindow = apiRoute({
  method: "POST",
  path: "/admin/scbe/skew-window",
  summary: "Lets openers take clocks that are further ahead, for a time",
  description: "It ends by itself. A later one takes the place of the one before.",
  access: ["admin"],
  body: SkewWindowBody,
  answer: z.object({ skew_window: SkewWindowView, generation: z.int() }).meta({ id: "SkewWindowAnswer" }),
  refuses: [503],
  handle: async ({ body, by }, { plane, clock }) => {
    const now = clock.now();
    const actor = { by, reason: body.reason };
    const { after } = await plane.change((state) => setSkewWindow(state, body, now), actor);
    return { skew_window: viewSkewWindow(after, now), generation: after.generation };
  },
});

/** The state with that window from `now` (ms since the Unix epoch) on; without a window for the duration 0. */
function setSkewWindow(
  state: ControlState,
  { seconds, duration, reason }: SkewWindowBody,
  now: number,
): ControlState {
  if (duration > 0) return { ...state, skew_window: { seconds, until: now + duration * 1000, reason } };
  return state.skew_window === null ? state : { ...state, skew_window: null };
}

function secondsOf(value: number | string): number {
  if (typeof value === "number") return value;
  const unit = value.slice(-1);
  const factor = unit === "s" || unit === "m" || unit === "h" ? UNITS[unit] : 1;
  return Number.parseInt(value, 10) * factor;
}
