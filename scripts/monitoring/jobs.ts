import { PROCESS_KINDS } from "@scbe/contracts";

/** A scrape job: one kind of part, and the addresses of its ops ports. */
export interface ScrapeJob {
  readonly job: string;
  /** Each `host:port`. */
  readonly targets: readonly string[];
}

/** The kinds of parts of a deployment: one that nobody scrapes is an alert. */
export const JOBS = PROCESS_KINDS;
