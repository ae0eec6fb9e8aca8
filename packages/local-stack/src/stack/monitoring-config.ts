import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { z } from "zod";
import type { ConfigFile } from "../configured-server.ts";

/** A scrape job: one kind of process, and the addresses of its ops ports. */
export interface ScrapeJob {
  readonly job: string;
  /** Each `host:port`. */
  readonly targets: readonly string[];
}

export interface LocalPrometheus {
  readonly jobs: readonly ScrapeJob[];
  /** Each `host:port`. */
  readonly alertmanagers: readonly string[];
}

/** Often, so that the demonstration need not wait. */
const INTERVAL = "1s";

/** `infra/prometheus/prometheus.yml` of a deployment, with the addresses of the local stack and short intervals. */
export function localPrometheusConfig(root: string, { jobs, alertmanagers }: LocalPrometheus): string {
  const deployed = Prometheus.parse(readYaml(root, "prometheus/prometheus.yml"));
  const [{ job_name: _, static_configs: __, ...limits } = {}] = deployed.scrape_configs;
  return stringify({
    ...deployed,
    global: { scrape_interval: INTERVAL, scrape_timeout: INTERVAL, evaluation_interval: INTERVAL },
    alerting: {
      alertmanagers: alertmanagers.length === 0 ? [] : [{ static_configs: [{ targets: alertmanagers }] }],
    },
    scrape_configs: jobs.map(({ job, targets }) => ({
      job_name: job,
      ...limits,
      static_configs: [{ targets }],
    })),
  });
}

/** The rules of a deployment, at the paths that its `prometheus.yml` names. */
export function deployedRules(root: string): readonly ConfigFile[] {
  const folder = join(root, "infra", "prometheus", "rules");
  return readdirSync(folder).map((name) => ({
    path: join("rules", name),
    text: readFileSync(join(folder, name), "utf8"),
  }));
}

const CONTROLLER = "rollback-controller";
const NONE = "none";

/** The webhook of the local rollback controller. */
export interface Webhook {
  readonly url: string;
  readonly tokenFile: string | undefined;
}

/**
 * `infra/alertmanager/alertmanager.yml` of a deployment, with the local rollback controller as the only receiver.
 * @param webhook absent until the controller has reported its port: alerts then reach no receiver
 */
export function localAlertmanagerConfig(root: string, webhook: Webhook | undefined): string {
  const deployed = Alertmanager.parse(readYaml(root, "alertmanager/alertmanager.yml"));
  const receiver = webhook === undefined ? NONE : CONTROLLER;
  const routes = deployed.route.routes.filter((route) => route.receiver === CONTROLLER);
  const receivers = deployed.receivers.filter(({ name }) => name === NONE || name === receiver);
  return stringify({
    ...deployed,
    route: { ...deployed.route, receiver: NONE, routes: routes.map((route) => ({ ...route, receiver })) },
    receivers: receivers.map((one) => (webhook === undefined ? one : withWebhook(one, webhook))),
  });
}

function withWebhook(receiver: z.infer<typeof Receiver>, { url, tokenFile }: Webhook): object {
  if (receiver.webhook_configs === undefined) return receiver;
  return {
    ...receiver,
    webhook_configs: receiver.webhook_configs.map(({ http_config: _, ...rest }) => ({
      ...rest,
      url,
      ...(tokenFile !== undefined && {
        http_config: { authorization: { type: "Bearer", credentials_file: tokenFile } },
      }),
    })),
  };
}

const Prometheus = z.looseObject({
  scrape_configs: z.array(z.looseObject({ job_name: z.string(), static_configs: z.unknown() })).min(1),
});
const Receiver = z.looseObject({
  name: z.string(),
  webhook_configs: z.array(z.looseObject({ http_config: z.unknown() })).optional(),
});
const Alertmanager = z.looseObject({
  route: z.looseObject({ routes: z.array(z.looseObject({ receiver: z.string() })) }),
  receivers: z.array(Receiver),
});

function readYaml(root: string, path: string): unknown {
  return parse(readFileSync(join(root, "infra", path), "utf8"));
}
