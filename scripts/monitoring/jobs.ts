import { PROCESS_KINDS } from "@scbe/contracts";

/** A scrape job: one kind of process, and the addresses of its ops ports. */
export interface ScrapeJob {
  readonly job: string;
  /** Each `host:port`. */
  readonly targets: readonly string[];
}

/** The kinds of processes of a deployment. A kind that Prometheus does not scrape is an alert. */
export const JOBS = PROCESS_KINDS;
