import { join } from "node:path";
import { renderAlertmanagerConfig } from "../../monitoring/render-alertmanager-config.ts";
import type { LocalFolder } from "../local-folder.ts";
import type { Port } from "../port.ts";
import { httpServer, type WatchServer } from "./http-server.ts";

export interface AlertmanagerOptions {
  readonly file: string;
  readonly folder: LocalFolder;
  readonly env: Readonly<Record<string, string>>;
  readonly port: Port;
  readonly control: AlertedController;
}

/** The rollback controller, as Alertmanager has to know it. */
export interface AlertedController {
  /** Empty until it has told where it is. */
  url(): string;
  readonly tokenFiles: Readonly<Record<string, string>>;
}

/** Alertmanager with a deployment's groups, which tells the local controller of alerts, and nobody else. */
export function alertmanagerServer({ port, folder, control, ...options }: AlertmanagerOptions): WatchServer {
  return httpServer({
    ...options,
    folder,
    name: "alertmanager",
    ports: [port],
    readyPath: "/-/ready",
    config: () => configFor(control),
    arguments: ([number], configFile) => [
      `--config.file=${configFile}`,
      `--storage.path=${join(folder.monitoring, "alertmanager")}`,
      `--web.listen-address=127.0.0.1:${number}`,
      // Else it listens for others of its kind, on every address.
      "--cluster.listen-address=",
    ],
  });
}

function configFor({ url, tokenFiles }: AlertedController): string {
  const webhookTokenFile = tokenFiles.SCBE_ALERTMANAGER_TOKEN_FILE;
  if (url() === "") return renderAlertmanagerConfig({});
  return renderAlertmanagerConfig({
    webhookUrl: `${url()}/webhooks/alertmanager`,
    ...(webhookTokenFile !== undefined && { webhookTokenFile }),
  });
}
