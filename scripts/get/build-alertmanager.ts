import { findGo } from "./find-go.ts";
import { runLong } from "./run-long.ts";

const VERSION = "0.28.1";
const MODULE = "github.com/prometheus/alertmanager";

/**
 * Builds Alertmanager and amtool from their module's source. Debian's package starts only where it is installed: it looks for its
 * templates in /usr/share.
 * @param folder gets the programs as `alertmanager` and `amtool`
 * @throws Error that says what to do
 */
export async function buildAlertmanager(folder: string): Promise<void> {
  const go = await findGo("alertmanager");
  const programs = ["alertmanager", "amtool"].map((name) => `${MODULE}/cmd/${name}@v${VERSION}`);
  const version = `-X github.com/prometheus/common/version.Version=${VERSION}`;
  await runLong("building alertmanager", go, ["install", "-ldflags", version, ...programs], {
    cwd: folder,
    env: { GOBIN: folder },
  });
}
