import { PauseOrder } from "../domain/canary-orders.ts";
import { canaryRoute } from "./canary-route.ts";

/** `POST /canary/pause` */
export const postCanaryPause = canaryRoute({
  method: "POST",
  path: "/canary/pause",
  summary: "Lets the share stay where it is",
  body: PauseOrder,
  do: (canary, { body, by }) => canary.pause(body, by),
});
