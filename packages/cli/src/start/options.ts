import { parseArgs } from "node:util";
import { startConfig } from "@scbe/local-stack/stack";
import { describeConfig } from "@scbe/runtime";

export interface StartOptions {
  /** End after the demonstration; the exit code reports its result. */
  readonly once: boolean;
  /** Write one JSON document to standard output, and nothing else. */
  readonly json: boolean;
  /** Free ports instead of the usual ones. */
  readonly autoPorts: boolean;
  /** Remove what the deployment has stored first. */
  readonly fresh: boolean;
}

export type Arguments =
  | { readonly kind: "start"; readonly options: StartOptions }
  | { readonly kind: "help" }
  | { readonly kind: "wrong"; readonly problem: string };

/** Reads the arguments of `npm start`. */
export function readArguments(args: readonly string[]): Arguments {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        once: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        ports: { type: "string", default: "usual" },
        fresh: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return { kind: "help" };
    if (values.ports !== "usual" && values.ports !== "auto") {
      return { kind: "wrong", problem: `--ports is auto or usual, not ${JSON.stringify(values.ports)}` };
    }
    const { once, json, ports, fresh } = values;
    return { kind: "start", options: { once, json, autoPorts: ports === "auto", fresh } };
  } catch (error) {
    return { kind: "wrong", problem: error instanceof Error ? error.message : String(error) };
  }
}

/** What `--help` prints. */
export function helpText(): string {
  const variables = describeConfig(startConfig).map(({ name, default: value, doc }) => {
    return `  ${name}${value === "" ? "" : ` (${value})`}\n      ${doc}\n`;
  });
  return `Brings up all of SCBE on loopback, sends the example requests through it, shows attacks being refused and a kill
being obeyed, and stays up until Ctrl-C, with an example request a second. A part that dies is started again. Prometheus, Alertmanager and Jaeger
watch it where they are found; npm run get brings them.

  npm start
  npm start -- --once                   ends after the demonstration: exit code 0 if and only if all that was shown went as it must
  npm start --silent -- --once --json   one JSON document on standard output, and nothing else
  npm start -- --ports auto             free ports for everything, whatever the variables say
  npm start -- --fresh                  begins without what an earlier run has stored: flags, kills, canaries, trust, audit, keys

State outlives a stop. What stands from an earlier run is said at the start, with since when, by whom, and the line that ends it. The demonstration
ends none of it: a request that it takes out of the path must be refused, and a step that it leaves no provider for is not shown, which is said
("skipped" in the JSON document) and is no failure. Users and their credentials, those that you have added included, the tokens of the
control API and the key of the local KMS are kept by --fresh, too; to begin without them, delete the folder while nothing runs.
The folder, and all that is in it, has to be yours, and no other user may write to it. One npm start at a time uses it.

Variables:
${variables.join("")}
  With a provider's key set (OPENAI_API_KEY, ...), its gateway calls the real API; else a local stand-in answers.
  SCBE_PROVIDER_URL_<NAME> sends a gateway to another address. OTEL_* variables pass through: with
  OTEL_EXPORTER_OTLP_ENDPOINT, traces go there and not to the local Jaeger.

Exit codes: 0 all that was shown went as it must, 1 not all did, 2 wrong arguments, 78 misconfigured.
`;
}
