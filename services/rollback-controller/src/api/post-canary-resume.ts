import { ResumeOrder } from "../domain/canary-orders.ts";
import { canaryRoute } from "./canary-route.ts";

/** `POST /canary/resume` */
export const postCanaryResume = canaryRoute({
  method: "POST",
  path: "/canary/resume",
  summary: "Goes on at the canary's own step",
  body: ResumeOrder,
  do: (canary, { body, by }) => canary.resume(body, by),
});
