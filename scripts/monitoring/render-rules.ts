import { criticalAlerts } from "./rules/critical-alerts.ts";
import { operationsAlerts } from "./rules/operations-alerts.ts";
import { recordings } from "./rules/recordings.ts";
import type { RuleGroup } from "./rules/rule.ts";
import { THRESHOLDS, type Thresholds } from "./thresholds.ts";
import { toYaml } from "./to-yaml.ts";

/** A file of rules: its path beside prometheus.yml (`rules/...`), and all of its text. */
export interface RuleFile {
  readonly path: string;
  readonly text: string;
}

const HEAD = `Generated from scripts/monitoring/thresholds.ts and scripts/monitoring/rules by \`npm run generate\`.`;

/** Every rule of SCBE, for Prometheus 2.42 and later. No file needs another one. */
export function renderRules(thresholds: Thresholds = THRESHOLDS): readonly RuleFile[] {
  return [
    file("rules/critical-alerts.yml", criticalAlerts(thresholds)),
    file("rules/operations-alerts.yml", operationsAlerts(thresholds)),
    file("rules/recordings.yml", recordings(thresholds)),
  ];
}

function file(path: string, group: RuleGroup): RuleFile {
  return { path, text: toYaml({ groups: [group] }, HEAD) };
}
