import { parseArgs } from "node:util";
import { clientConfig } from "@scbe/client";
import { ACCESS, ACCESS_WITH_FALLBACK, isScbeError } from "@scbe/contracts";
import { defineConfig, EXIT_CODES, issueCredentials, readConfig } from "@scbe/service-kit";

const HELP = `Gives every user of a deployment an nkey of its own, and makes from the access table what they need.

  node scripts/issue-credentials.ts FOLDER [options]

FOLDER then holds <user>.seed for each process (NATS_NKEY_SEED_FILE), nats.conf for nats-server, askers.json for the keyring
(SCBE_KEYRING_ASKERS_FILE), and users.json, which has every user's public nkey. control.signing.seed signs control documents: it is the controllers'
(SCBE_CONTROL_SEED_FILE), its public nkey is every verifier's (SCBE_CONTROL_PUBLIC_KEY). Seeds that are there already are kept.

  --orchestrators NAMES   users that send requests, separated by commas (orchestrator)
  --gateways PROVIDERS    providers that have a gateway, user gateway-<provider> (all of SCBE_PROVIDERS)
  --store FOLDER          where the server keeps its streams (told to nats-server with -sd)
  --tls-cert FILE         the server's certificate, --tls-key FILE its key (no TLS)
  --tls-ca FILE           clients need a certificate of this authority

It reads SCBE_ENVIRONMENT (dev), SCBE_PROVIDERS and SCBE_FALLBACK (refuse): with "allow" the server lets orchestrators send to gateways
unsealed what kill switch and flags take out of SCBE's path.
Exit codes: 0 done, 1 failed, 2 wrong arguments, 78 misconfigured.
`;

process.exitCode = main();

function main(): number {
  const options = readArguments();
  if (options === undefined) return EXIT_CODES.misused;
  const [folder] = options.positionals;
  if (options.values.help === true || folder === undefined) {
    process.stdout.write(HELP);
    return options.values.help === true ? EXIT_CODES.stopped : EXIT_CODES.misused;
  }
  const { SCBE_ENVIRONMENT, SCBE_PROVIDERS, SCBE_FALLBACK } = clientConfig.variables;
  const spec = defineConfig({ SCBE_ENVIRONMENT, SCBE_PROVIDERS, SCBE_FALLBACK });
  const reading = readConfig(spec, process.env);
  if (!reading.ok) return complain(reading.problems.join("\n"), EXIT_CODES.misconfigured);
  const { "tls-cert": cert, "tls-key": key } = options.values;
  if ((cert === undefined) !== (key === undefined)) {
    return complain("--tls-cert and --tls-key need each other", EXIT_CODES.misused);
  }
  try {
    const credentials = issueCredentials(folder, {
      env: reading.config.SCBE_ENVIRONMENT,
      providers: reading.config.SCBE_PROVIDERS,
      table: reading.config.SCBE_FALLBACK === "allow" ? ACCESS_WITH_FALLBACK : ACCESS,
      ...fromArguments(options.values),
    });
    process.stdout.write(`${credentials.users.map(({ name, nkey }) => `${nkey} ${name}\n`).join("")}`);
    process.stdout.write(`${credentials.controlPublicKey} control.signing\n`);
    return EXIT_CODES.stopped;
  } catch (error) {
    if (!isScbeError(error)) throw error;
    return complain(error.message, EXIT_CODES.failed);
  }
}

function readArguments() {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        orchestrators: text,
        gateways: text,
        store: text,
        "tls-cert": text,
        "tls-key": text,
        "tls-ca": text,
      },
    });
  } catch (error) {
    complain(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`, EXIT_CODES.misused);
    return undefined;
  }
}

type Values = Readonly<Record<string, string | boolean | undefined>>;

function fromArguments(values: Values) {
  const text = (name: string): string | undefined =>
    typeof values[name] === "string" ? values[name] : undefined;
  const items = (name: string): string[] | undefined => text(name)?.split(",");
  const [orchestrators, gateways, storeDir] = [items("orchestrators"), items("gateways"), text("store")];
  const [cert, key, ca] = [text("tls-cert"), text("tls-key"), text("tls-ca")];
  return {
    ...(orchestrators && { orchestrators }),
    ...(gateways && { gateways }),
    ...(storeDir !== undefined && { storeDir }),
    ...(cert !== undefined && key !== undefined && { tls: { cert, key, ...(ca !== undefined && { ca }) } }),
  };
}

function complain(what: string, exitCode: number): number {
  process.stderr.write(`${what}\n`);
  return exitCode;
}
