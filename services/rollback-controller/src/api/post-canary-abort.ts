import { AbortOrder } from "../domain/canary-orders.ts";
import { canaryRoute } from "./canary-route.ts";

/** `POST /canary/abort` */
export const postCanaryAbort = canaryRoute({
  method: "POST",
  path: "/canary/abort",
  summary: "Back to the share of the step before",
  body: AbortOrder,
  do: (canary, { body, by }) => canary.abort(body, by),
});
