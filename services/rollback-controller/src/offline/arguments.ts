import { parseArgs } from "node:util";
import { type KillCause, REASON_MAX } from "@scbe/contracts";

/** What `--help` of the offline command prints. */
export const HELP = `Switches off, or on again, without any controller: signs a control document and publishes it on NATS.

  node services/rollback-controller/src/offline.ts activate REASON [--integrity] [--for SECONDS] [--json]
  node services/rollback-controller/src/offline.ts deactivate [REASON] [--for SECONDS] [--json]

  --integrity     traffic is refused, also where fallback was chosen for availability
  --for SECONDS   how long it is repeated, once a second (10); verifiers that come later read it from the store
  --json          prints one JSON document

It connects as the user operator (NATS_URL, NATS_NKEY_SEED_FILE), to the store as control.offline (NATS_STORE_NKEY_SEED_FILE), and signs with
SCBE_CONTROL_SEED_FILE for SCBE_ENVIRONMENT. Switching off needs no store; switching on does. While it runs it also answers verifiers that ask
for the document. A kill of one provider is not possible without a controller.

With the files that scripts/issue-credentials.ts has made; operator.env has SCBE_ENVIRONMENT and NATS_NKEY_SEED_FILE:

  NATS_URL=tls://nats-0:4222 NATS_TLS_CA=/secure/ca.crt SCBE_CONTROL_SEED_FILE=/secure/scbe-prod/control.signing.seed \\
    NATS_STORE_NKEY_SEED_FILE=/secure/scbe-prod/control.offline.seed \\
    node --env-file=/secure/scbe-prod/operator.env services/rollback-controller/src/offline.ts activate "reason"

Where the store holds a control document of another environment or key, or without the store a controller does, nothing is sent: exit code 1.
Exit codes: 0 done, 1 failed, 2 wrong arguments, 78 misconfigured.
`;

/** What is to be done. */
export interface Order {
  readonly action: "activate" | "deactivate";
  readonly reason: string;
  readonly cause: KillCause;
  readonly forMs: number;
  readonly json: boolean;
}

const FOR_SECONDS = 10;
const FOR_SECONDS_MAX = 86_400;

/** The order in the arguments of this process; or what is wrong with them. */
export function readArguments(): Order | "help" | { readonly problem: string } {
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
