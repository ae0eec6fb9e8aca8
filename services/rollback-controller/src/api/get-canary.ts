import { canaryRoute } from "./canary-route.ts";

/** `GET /canary` */
export const getCanary = canaryRoute({
  method: "GET",
  path: "/canary",
  summary: "Each canary, with the samples that its steps were decided on",
  do: (canary) => canary.status(),
});
