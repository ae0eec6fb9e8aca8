import { FlagsView } from "../domain/show-flags.ts";
import { apiRoute } from "./api-route.ts";
import { flagsView, inForce } from "./in-force.ts";

/** `GET /feature-flags` */
export const getFeatureFlags = apiRoute({
  method: "GET",
  path: "/feature-flags",
  summary: "The flags and the kill switch that are in force",
  access: ["admin", "emergency"],
  answer: FlagsView,
  refuses: [503],
  handle: (_call, ports) => flagsView(inForce(ports), ports),
});
