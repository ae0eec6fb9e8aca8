import type { ScrapeJob } from "../../monitoring/jobs.ts";
import type { NodeProgram } from "../node-program.ts";

export interface Scraped {
  readonly services: readonly NodeProgram[];
  readonly gateways: readonly NodeProgram[];
  /** The ops port of the launcher's own orchestrator. */
  readonly orchestratorUrl: string;
}

/** What Prometheus scrapes: a job for each service, one for all gateways, one for the orchestrator. */
export function scrapeJobs({ services, gateways, orchestratorUrl }: Scraped): ScrapeJob[] {
  return [
    ...services.map(({ program: { name }, opsUrl }) => ({ job: name, targets: [hostOf(opsUrl)] })),
    { job: "gateway", targets: gateways.map(({ opsUrl }) => hostOf(opsUrl)) },
    { job: "orchestrator", targets: [hostOf(orchestratorUrl)] },
  ];
}

function hostOf(url: string): string {
  return new URL(url).host;
}
