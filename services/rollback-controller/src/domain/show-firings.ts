import { Name } from "@scbe/contracts";
import { z } from "zod";
import { GivenReason } from "../api/fields.ts";
import { type Firings, type FiringTime, freshReplicas, splitKey } from "./firings.ts";

const At = z.iso.datetime();

const FiringRow = z
  .object({
    alertname: z.string(),
    provider: z.string().nullable().describe("null: none of the deployment was named, so everything"),
    since: At.describe("When it was first told, and acted on"),
    last_told: At,
    forgotten_at: At.describe("When it is forgotten unless it is told again"),
  })
  .meta({ id: "AlertFiring" });
export type FiringRow = z.infer<typeof FiringRow>;

/** Answer of `GET /alerts`. */
export const AlertFirings = z.object({ firings: z.array(FiringRow) }).meta({ id: "AlertFirings" });

/** Body of `POST /alerts/clear`: the firing as it is listed. */
export const ClearOrder = z
  .strictObject({
    alertname: z.string().min(1).max(64),
    provider: Name.nullable().default(null),
    reason: GivenReason,
  })
  .meta({ id: "ClearOrder" });
export type ClearOrder = z.infer<typeof ClearOrder>;

/** The firings that stand, the oldest first. */
export function showFirings(firings: Firings, time: FiringTime): FiringRow[] {
  return Object.entries(firings)
    .map(([key, firing]) => ({
      key,
      since: firing.since,
      told: freshReplicas(firing, time).map(([, at]) => at),
    }))
    .filter(({ told }) => told.length > 0)
    .sort((one, other) => one.since - other.since)
    .map(({ key, since, told }) => {
      const last = Math.max(...told);
      const { alertname, provider = null } = splitKey(key);
      return {
        alertname,
        provider,
        since: timeOf(since),
        last_told: timeOf(last),
        forgotten_at: timeOf(last + time.forgetMs),
      };
    });
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
