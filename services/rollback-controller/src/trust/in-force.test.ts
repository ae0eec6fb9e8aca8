import { type ProviderTrust, type TellerTrust, UNKNOWN_PROVIDER } from "@scbe/contracts";
import { expect, test } from "vitest";
import { trustInForce } from "./in-force.ts";

const SINCE = Date.parse("2027-01-15T08:00:00.000Z");
const MINUTE = 60_000;

function inForce(more: Partial<ProviderTrust>) {
  const openai = { ...UNKNOWN_PROVIDER, quorum: { needs: 2, of: 3 }, ...more };
  return trustInForce({ v: 1, stream: { created: "monday", seq: 1 }, providers: { openai } });
}

const row = (since: number | null): TellerTrust => ({
  ...{ w: 0, samples: 0, exclusions: 0, latch: null, at: SINCE },
  exclusion: since === null ? null : { since, until: since + MINUTE },
});

test("one teller of three does not exclude for all; two do, from the second's report on, by name", () => {
  expect(inForce({ tellers: { web: row(SINCE), batch: row(null) } })).toEqual([]);
  expect(inForce({ tellers: { web: row(SINCE), batch: row(SINCE + 2 * MINUTE) } })).toEqual([]);
  expect(inForce({ tellers: { web: row(SINCE), batch: row(SINCE + 1000) } })).toMatchObject([
    {
      ...{ provider: "openai", since: SINCE + 1000, until: SINCE + MINUTE },
      says: "excluded for all until 2027-01-15T08:01:00.000Z: outcomes reported by web, batch",
    },
  ]);
});

test("a latch for all keeps its id through newer events, and names its tellers or the guard", () => {
  const latch = { cause: "bound_response_fails", since: SINCE, event: "e1", n: 1 } as const;
  const [first] = inForce({ latch: { ...latch, tellers: ["batch", "web"] } });
  const [later] = inForce({ latch: { ...latch, event: "e2", n: 2, tellers: ["batch", "web"] } });
  expect(first?.says).toBe("latched for all: bound_response_fails by batch, web, event e1");
  expect(later?.id).toBe(first?.id);
  const [byGuard] = inForce({ latch: { ...latch, cause: "nonce_reuse", tellers: [] } });
  expect(byGuard?.says).toContain("by a replay guard");
});
