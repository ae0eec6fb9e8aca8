import { z } from "zod";
import { SkewWindowView, showSkewWindow } from "../domain/show-flags.ts";
import { SkewWindowBody, setSkewWindow } from "../domain/skew-window.ts";
import { apiRoute } from "./api-route.ts";

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
    return { skew_window: showSkewWindow(after, now), generation: after.generation };
  },
});
