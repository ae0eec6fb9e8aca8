import { makeRequests } from "@scbe/examples/make-requests";
import { monitoringFiles } from "../monitoring/monitoring-files.ts";
import { vectorFiles } from "../vectors/vector-files.ts";
import { accessPage } from "./access-page.ts";
import { configurationPage } from "./configuration-page.ts";
import { metricsPage } from "./metrics-page.ts";
import { natsConfig } from "./nats-config.ts";
import { openApiFile } from "./openapi-file.ts";
import { rulesPage, specPages } from "./rules-page.ts";

/** A file that is made from the code: its path from the root, and all of its text. */
export interface GeneratedFile {
  readonly path: string;
  readonly text: string;
}

/** Every generated file of the project. The code is their only source; nobody edits them. */
export async function generateFiles(): Promise<readonly GeneratedFile[]> {
  const vectors = await vectorFiles();
  const parsed = vectors.map(({ path, text }) => ({ path, json: JSON.parse(text) as unknown }));
  return [
    { path: "docs/access.md", text: accessPage() },
    { path: "docs/configuration.md", text: configurationPage() },
    { path: "docs/metrics.md", text: metricsPage() },
    { path: "docs/openapi.json", text: openApiFile() },
    { path: "infra/nats/nats.conf", text: natsConfig() },
    { path: "examples/requests.jsonl", text: makeRequests() },
    ...monitoringFiles(),
    ...vectors,
    { path: "docs/spec/rules.md", text: rulesPage(specPages(), parsed) },
  ];
}
