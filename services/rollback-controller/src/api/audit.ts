import { z } from "zod";
import { apiRoute } from "./route.ts";

const LIMIT_MAX = 200;
const LIMIT = 50;

const AuditQuery = z.strictObject({
  limit: z
    .int({ error: `expected an integer from 1 to ${LIMIT_MAX}` })
    .min(1, { error: `expected an integer from 1 to ${LIMIT_MAX}` })
    .max(LIMIT_MAX, { error: `expected an integer from 1 to ${LIMIT_MAX}` })
    .default(LIMIT)
    .describe("How many entries at most"),
  before: z
    .int({ error: "expected the number of an entry" })
    .min(1, { error: "expected the number of an entry" })
    .optional()
    .describe("Entries older than the one of this number alone"),
});

const AuditEntryView = z
  .object({
    seq: z.int(),
    at: z.int().describe("ms since the Unix epoch"),
    action: z.string(),
    by: z.string(),
    reason: z.string(),
    before: z.unknown().optional(),
    after: z.unknown().optional(),
    previous: z.string().describe("The hash of the entry before"),
    hash: z.string(),
  })
  .meta({ id: "AuditEntry" });

/** `GET /audit` */
export const getAudit = apiRoute({
  method: "GET",
  path: "/audit",
  summary: "Who changed what, and why; the newest first",
  access: ["admin"],
  query: AuditQuery,
  answer: z
    .object({
      entries: z.array(AuditEntryView),
      next_before: z.int().nullable().describe("`before` of the next page; null: these were the oldest"),
    })
    .meta({ id: "AuditPage" }),
  refuses: [503],
  handle: async ({ query: { limit, before } }, { audit }) => {
    const entries = await audit.read({ limit, ...(before !== undefined && { before }) });
    const last = entries.at(-1);
    return { entries, next_before: last !== undefined && last.seq > 1 ? last.seq : null };
  },
});
