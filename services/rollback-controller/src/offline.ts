import { parseArgs } from "node:util";
import { isScbeError, REASON_MAX } from "@scbe/contracts";
import { readConfig } from "@scbe/runtime";
import { createLogger, EXIT_CODES } from "@scbe/service";
import {
  type OfflineOrder,
  OtherDeployment,
  offlineConfig,
  type Switched,
  switchOffline,
} from "./offline/switch.ts";

const HELP = `Switches off, or on again, without any controller: signs a control document and publishes it on NATS.

  node services/rollback-controller/src/offline.ts activate REASON [--integrity] [--for SECONDS] [--json]
  node services/rollback-controller/src/offline.ts deactivate [REASON] [--for SECONDS] [--json]

  --integrity     traffic is refused, even where fallback was chosen for availability
  --for SECONDS   how long it is repeated, once a second (10); verifiers that start later read it from the store
  --json          prints one JSON document

It connects as the user operator (NATS_URL, NATS_NKEY_SEED_FILE), to the store as control.offline (NATS_STORE_NKEY_SEED_FILE), and signs with
SCBE_CONTROL_SEED_FILE for SCBE_ENVIRONMENT. Switching off needs no store; switching on does. While it runs it also answers verifiers that request
the document. A kill of one provider is not possible without a controller.

With the files that scripts/issue-credentials.ts has made; operator.env has SCBE_ENVIRONMENT and NATS_NKEY_SEED_FILE:

  NATS_URL=tls://nats-0:4222 NATS_TLS_CA=/secure/ca.crt SCBE_CONTROL_SEED_FILE=/secure/scbe-prod/control.signing.seed \\
    NATS_STORE_NKEY_SEED_FILE=/secure/scbe-prod/control.offline.seed \\
    node --env-file=/secure/scbe-prod/operator.env services/rollback-controller/src/offline.ts activate "reason"

If the store, or without the store a controller, holds a control document of another environment or key, nothing is sent: exit code 1.
Exit codes: 0 done, 1 failed, 2 wrong arguments, 78 misconfigured.
`;

const FOR_SECONDS = 10;
const FOR_SECONDS_MAX = 86_400;

process.exitCode = await main();

async function main(): Promise<number> {
  const order = readArguments();
  if (order === "help") {
    process.stdout.write(HELP);
    return EXIT_CODES.stopped;
  }
  if ("problem" in order) return fail(order.problem, EXIT_CODES.misused);
  const reading = readConfig(offlineConfig, process.env);
  if (!reading.ok) return fail(reading.problems.join("\n"), EXIT_CODES.misconfigured);
  try {
    await switchOffline({
      order,
      config: reading.config,
      log: createLogger({ name: "operator", level: "error", destination: process.stderr }),
      onWarning: (line) => process.stderr.write(`${line}\n`),
      onSwitched: (switched) => process.stdout.write(summary(order, switched)),
    });
    return EXIT_CODES.stopped;
  } catch (error) {
    if (error instanceof OtherDeployment)
      return fail(
        `NOT switched ${order.action === "activate" ? "off" : "on"}: ${error.message}`,
        EXIT_CODES.failed,
      );
    if (!isScbeError(error)) throw error;
    return fail(`the switch may have had no effect: ${error.message}`, EXIT_CODES.failed);
  }
}

interface Arguments extends OfflineOrder {
  readonly json: boolean;
}

/** The arguments of this process, or the problem with them. */
function readArguments(): Arguments | "help" | { readonly problem: string } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        integrity: { type: "boolean" },
        for: { type: "string" },
        json: { type: "boolean" },
      },
    });
    const [action, reason = "", ...others] = positionals;
    if (values.help === true) return "help";
    if (action !== "activate" && action !== "deactivate")
      return { problem: "expected activate or deactivate; see --help" };
    if (others.length > 0) return { problem: "the reason is one argument: put it in quotes" };
    if (action === "activate" && reason.trim() === "") return { problem: "switching off needs a reason" };
    if (reason.length > REASON_MAX) return { problem: `a reason has at most ${REASON_MAX} characters` };
    const seconds = Number(values.for ?? FOR_SECONDS);
    if (!(seconds >= 0 && seconds <= FOR_SECONDS_MAX))
      return { problem: `--for ${values.for}: expected 0 to ${FOR_SECONDS_MAX}` };
    const cause = values.integrity === true ? "integrity" : "availability";
    return { action, reason, cause, forMs: seconds * 1000, json: values.json === true };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

function summary({ action, json }: Arguments, { document, isStored }: Switched): string {
  const { generation } = document.state;
  if (json) return `${JSON.stringify({ action, generation, stored: isStored })}\n`;
  const stored = isStored ? "and is stored" : "and is NOT stored: verifiers that start later do not know it";
  return `switched ${action === "activate" ? "off" : "on"}: generation ${generation} was sent ${stored}\n`;
}

function fail(message: string, exitCode: number): number {
  process.stderr.write(`${message}\n`);
  return exitCode;
}
