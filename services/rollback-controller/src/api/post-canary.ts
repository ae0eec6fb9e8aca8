import { StartOrder } from "../domain/canary-orders.ts";
import { canaryRoute } from "./canary-route.ts";

/** `POST /canary` */
export const postCanary = canaryRoute({
  method: "POST",
  path: "/canary",
  summary: "Starts a provider's canary at its first step",
  body: StartOrder,
  do: (canary, { body, by }) => canary.start(body, by),
});
