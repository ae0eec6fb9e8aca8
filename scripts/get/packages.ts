import { buildAlertmanager } from "./build-alertmanager.ts";
import { buildJaeger } from "./build-jaeger.ts";
import { type DebianFiles, fromDebian } from "./from-debian.ts";

/** Programs that come together. */
export interface Package {
  /** Names of {@link TOOLS}. */
  readonly tools: readonly string[];
  /** Where it comes from, and how long that takes. */
  readonly doc: string;
  /** Puts its programs into `folder`, which is empty, under the names that they have in `.cache/bin`. @throws Error */
  bring(folder: string): Promise<void>;
}

/** What `npm run get` can bring, by name. */
export const PACKAGES: Readonly<Record<string, Package>> = {
  jaeger: {
    tools: ["jaeger"],
    doc: "Built from source with Go 1.26 or later: about five minutes, 120 MB, without the web pages.",
    bring: buildJaeger,
  },
  prometheus: debian("prometheus", {
    "usr/bin/prometheus": "prometheus",
    "usr/bin/promtool": "promtool",
  }),
  alertmanager: {
    tools: ["alertmanager", "amtool"],
    doc: "Built from source with Go 1.26 or later: about two minutes.",
    bring: buildAlertmanager,
  },
};

function debian(name: string, files: DebianFiles): Package {
  return {
    tools: Object.values(files),
    doc: `From the package ${name} of Debian or Ubuntu, by apt-get download, which nobody has to be root for.`,
    bring: (folder) => fromDebian(name, files, folder),
  };
}
