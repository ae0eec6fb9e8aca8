import { ScbeError } from "@scbe/contracts";
import { CANARIES_MAX, type Canaries, type Canary } from "./canary-record.ts";

/**
 * The canaries with this one in the place of its provider's. Where there are too many, the one that has been at rest for longest gives
 * way.
 * @throws ScbeError CONFLICT when none of them is at rest
 */
export function putCanary({ canaries }: Canaries, canary: Canary): Canaries {
  const kept = { ...canaries, [canary.provider]: canary };
  if (Object.keys(kept).length <= CANARIES_MAX) return { v: 1, canaries: kept };
  const [oldest] = Object.values(canaries)
    .filter(({ state, intent }) => intent === null && (state === "done" || state === "aborted"))
    .sort((a, b) => a.since - b.since);
  if (oldest === undefined)
    throw new ScbeError("CONFLICT", `${CANARIES_MAX} canaries are under way; no more fit beside them`);
  delete kept[oldest.provider];
  return { v: 1, canaries: kept };
}
