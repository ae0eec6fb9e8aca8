import { provisionConfig } from "@scbe/cli/provision-config";
import { clientConfig } from "@scbe/client";
import { config as envelope } from "@scbe/envelope-service/config";
import { config as gateway } from "@scbe/examples/gateway-config";
import { config as standIn } from "@scbe/examples/stand-in-config";
import { config as keyring } from "@scbe/keyring/config";
import { startConfig } from "@scbe/local-stack/stack";
import { config as replayGuard } from "@scbe/replay-guard/config";
import { config as rollbackController } from "@scbe/rollback-controller/config";
import { configMarkdown } from "@scbe/runtime";
import { config as trustScorer } from "@scbe/trust-scorer/config";

/** docs/configuration.md: every variable of every process. */
export function configurationPage(): string {
  return `${HEAD}\n${configMarkdown(PROCESSES)}\n${TAIL}`;
}

/** The variables of every process. */
export const PROCESSES = [
  { title: "client", spec: clientConfig },
  { title: "keyring", spec: keyring },
  { title: "replay-guard", spec: replayGuard },
  { title: "envelope", spec: envelope },
  { title: "rollback-controller", spec: rollbackController },
  { title: "trust-scorer", spec: trustScorer },
  { title: "provisioning", spec: provisionConfig },
  { title: "example gateway", spec: gateway },
  { title: "stand-in provider", spec: standIn },
  { title: "npm start", spec: startConfig },
];

const HEAD = `<!-- Generated from the code of each process by \`npm run generate\`. -->
# Configuration

Every process reads environment variables when it starts, and only then. An empty value counts as unset. All problems are reported
at once, and the process ends with exit code 78. A secret is never shown, and can also come from a file that only its owner may
read, which \`<NAME>_FILE\` names. A process with a client (an orchestrator, a gateway) takes the client's variables,
or the same things as arguments of \`connect()\`. Provisioning is \`node scripts/provision.ts\`.
`;

const TAIL = `## Read by libraries

The keyring reaches AWS KMS by the AWS SDK's standard configuration: \`AWS_REGION\`, \`AWS_ENDPOINT_URL_KMS\` and its chain of credentials.

Services, the example programs and every program that calls \`startTracing\` read OpenTelemetry's standard \`OTEL_*\` variables.
[observability.md](observability.md#switching-it-on) has those that matter. None is needed: without \`OTEL_EXPORTER_OTLP_ENDPOINT\`
there are no traces.

## Read by the repository's own commands

| variable | meaning |
|---|---|
| \`SCBE_NATS_SERVER\`, \`SCBE_REDIS_SERVER\` | The programs that the tests run, as \`npm start\` does; unset, they are looked for. |
| \`SCBE_BOOTSTRAP_INSTALL\` | \`0\`: missing programs are reported, and not installed. |
| \`SCBE_PROMETHEUS\`, \`SCBE_PROMTOOL\`, \`SCBE_ALERTMANAGER\`, \`SCBE_AMTOOL\`, \`SCBE_JAEGER\` | The programs that tests of metrics, alerts and traces run; unset, they are looked for. \`npm run get\` lists and brings them. |
| \`SCBE_NATS_SERVER_NEXT\` | A newer nats-server, on which the tests of the bus run too. |
| \`SCBE_REQUIRE_ALL\` | \`1\`: a test whose real part is missing fails; otherwise it is skipped, with the reason. |

## Not read yet

\`GRAFANA_DASHBOARD_URL\` is a name kept for notices; no process reads it yet. Alertmanager takes PagerDuty's key and Slack's address from files ([infra/alertmanager](../infra/alertmanager/README.md)).
`;
