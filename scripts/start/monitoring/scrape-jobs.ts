import type { ScrapeJob } from "../../monitoring/jobs.ts";
import type { NodeProgram } from "../node-program.ts";

export interface Scraped {
  readonly services: readonly NodeProgram[];
  readonly gateways: readonly NodeProgram[];
  /** The ops port of the launcher's own orchestrator. */
  readonly orchestratorUrl: string;
}

/** What Prometheus scrapes: a job for each service, one for all gateways, one for the orchestrator. Those that have told where they are. */
export function scrapeJobs({ services, gateways, orchestratorUrl }: Scraped): ScrapeJob[] {
  const jobs = [
    ...services.map((part) => ({ job: part.program.name, targets: hostsOf([part]) })),
    { job: "gateway", targets: hostsOf(gateways) },
    { job: "orchestrator", targets: [new URL(orchestratorUrl).host] },
  ];
  return jobs.filter(({ targets }) => targets.length > 0);
}

function hostsOf(parts: readonly NodeProgram[]): string[] {
  return parts.flatMap(({ url }) => (url() === "" ? [] : new URL(url()).host));
}
