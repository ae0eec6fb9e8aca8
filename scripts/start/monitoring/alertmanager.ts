import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderAlertmanagerConfig } from "../../monitoring/render-alertmanager-config.ts";
import type { LocalFolder } from "../local-folder.ts";
import type { Port } from "../port.ts";
import type { Server } from "../servers.ts";
import { httpServer } from "./http-server.ts";

export interface AlertmanagerOptions {
  readonly file: string;
  readonly folder: LocalFolder;
  readonly env: Readonly<Record<string, string>>;
  readonly port: Port;
}

/** Alertmanager with a deployment's groups, and nobody to tell. */
export function alertmanagerServer({ port, folder, ...options }: AlertmanagerOptions): Server {
  const configFile = join(folder.monitoring, "alertmanager.yml");
  return httpServer({
    ...options,
    folder,
    name: "alertmanager",
    ports: [port],
    readyPath: "/-/ready",
    arguments: ([number]) => {
      writeFileSync(configFile, renderAlertmanagerConfig({}), { mode: 0o600 });
      return [
        `--config.file=${configFile}`,
        `--storage.path=${join(folder.monitoring, "alertmanager")}`,
        `--web.listen-address=127.0.0.1:${number}`,
        // Else it listens for others of its kind, on every address.
        "--cluster.listen-address=",
      ];
    },
  });
}
