import { PROCESS_KINDS } from "@scbe/contracts";

/** A scrape job: one kind of part, and the addresses of its ops ports. */
export interface ScrapeJob {
  readonly job: string;
  /** Each `host:port`. */
  readonly targets: readonly string[];
}

/** The kinds of parts that a deployment cannot do without: one that nobody scrapes is an alert. Requests are served without a trust scorer. */
export const JOBS = PROCESS_KINDS.filter((kind) => kind !== "trust-scorer");
