import { makeRequests } from "@scbe/examples/make-requests";
import { openApi } from "@scbe/rollback-controller/open-api";
import { monitoringFiles } from "../monitoring/monitoring-files.ts";
import { vectorFiles } from "../vectors/vector-files.ts";
import { accessPage } from "./access-page.ts";
import { configurationPage } from "./configuration-page.ts";
import { metricsPage } from "./metrics-page.ts";
import { natsConfig } from "./nats-config.ts";
import { rulesPage, specPages } from "./rules-page.ts";

/** A file that is generated from the code: its path from the root, and its text. */
export interface GeneratedFile {
  readonly path: string;
  readonly text: string;
}

/** Every generated file of the project. The code is their only source; `npm run check` refuses edits. */
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

const LIST_OF_TEXTS = /\[\s+"[^"]*"(?:,\s+"[^"]*")*\s+\]/g;
const LINE_WIDTH = 110;

/** docs/openapi.json: the control API of the controller. */
export function openApiFile(): string {
  return `${JSON.stringify(openApi(), null, 2).replace(LIST_OF_TEXTS, onOneLine)}\n`;
}

/** If the line fits, with its indent and a comma: the form of the project's formatter. */
function onOneLine(list: string, offset: number, text: string): string {
  const line = list
    .replace(/\s*\n\s*/g, " ")
    .replace("[ ", "[")
    .replace(" ]", "]");
  const before = offset - text.lastIndexOf("\n", offset) - 1;
  return before + line.length + 1 > LINE_WIDTH ? list : line;
}
