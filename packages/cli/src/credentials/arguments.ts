import { parseArgs } from "node:util";
import { EXIT_CODES } from "@scbe/service";

export const COMMANDS = ["make", "add", "change", "remove", "list", "push"] as const;
export type Command = (typeof COMMANDS)[number];

/** The options of each command, beside `--help` and `--json`. */
const OPTIONS: Readonly<Record<Command, readonly string[]>> = {
  make: ["jwt", "nsc", "orchestrators", "gateways", "store", "tls-cert", "tls-key", "tls-ca"],
  add: ["role", "providers", "intents", "server", "ca", "cert", "key"],
  change: ["providers", "intents", "server", "ca", "cert", "key"],
  remove: ["server", "ca", "cert", "key"],
  list: [],
  push: ["server", "ca", "cert", "key"],
};
const FLAGS = ["help", "json", "jwt", "nsc"];
/** Commands for one user. */
const OF_ONE: readonly Command[] = ["add", "change", "remove"];

export const HELP = `Gives every user of a deployment an nkey of its own, and makes from the access table what servers and processes need.

  node scripts/issue-credentials.ts [make] FOLDER [options]
  node scripts/issue-credentials.ts add FOLDER USER --role ROLE --providers NAMES [--intents NAMES]
  node scripts/issue-credentials.ts change FOLDER USER [--providers NAMES] [--intents NAMES|all]
  node scripts/issue-credentials.ts remove FOLDER USER
  node scripts/issue-credentials.ts list FOLDER
  node scripts/issue-credentials.ts push FOLDER --server URL

make    makes FOLDER, or makes it again: what is there already is kept, and so are users that were added, changed or removed.
add     adds an orchestrator or a gateway, which may also use the envelope service; no other user's files change.
change  gives a user other providers or intents. It keeps its key; what it was issued before is void.
remove  takes a user away, with its files.
list    tells all users.
push    tells servers what the accounts of a folder with JWTs say now.

FOLDER then holds for each process <user>.seed (or .creds) and <user>.env, a file of variables that names it; users.json, the public list of
users (SCBE_USERS_FILE); nats.conf for nats-server; control.signing.seed, which signs control documents: for controllers, and for the kill switch without one.

Options of make; without them a folder that is made again keeps what it was made with:
  --orchestrators NAMES   users that send requests, separated by commas (orchestrator)
  --gateways PROVIDERS    providers that have a gateway, user gateway-<provider> (all of SCBE_PROVIDERS)
  --store FOLDER          where the server keeps its streams (FOLDER/jetstream)
  --tls-cert FILE         the server's certificate, --tls-key FILE its key (no TLS)
  --tls-ca FILE           clients need a certificate of this authority
  --jwt                   accounts are JWTs, with an operator of this folder's own; users are .creds files
  --nsc                   accounts are JWTs of your own operator: nsc.sh has the commands of nsc that make them

Options of add and change:
  --role ROLE             orchestrator or gateway; a gateway has one provider
  --providers NAMES       its providers, separated by commas
  --intents NAMES         its intents, separated by commas; all unless told

Options of add, change, remove and push, for a folder with JWTs:
  --server URL            nats://host:port or tls://host:port: tells the servers at once. Without it the command says what is left to do
  --ca FILE               certificates that the server's must chain to
  --cert FILE             the client's certificate, --key FILE its key

  --json                  tells what was done as one JSON object

make reads SCBE_ENVIRONMENT (dev), SCBE_PROVIDERS and SCBE_FALLBACK (refuse): with "allow" the server lets orchestrators send to gateways
unsealed what kill switch and flags take out of SCBE's path.
Exit codes: 0 done, 1 failed, 2 wrong arguments, 78 misconfigured.
`;

export interface Arguments {
  readonly command: Command;
  readonly folder: string;
  /** Of add, change and remove. */
  readonly user: string;
  readonly json: boolean;
  has(option: string): boolean;
  text(option: string): string | undefined;
  names(option: string): string[] | undefined;
}

/** The arguments, or a message and an exit code. */
export type Reading =
  | { readonly ok: true; readonly arguments_: Arguments }
  | { readonly ok: false; readonly exitCode: number; readonly problem?: string };

export function readArguments(args: readonly string[]): Reading {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    return misused(error instanceof Error ? error.message : String(error));
  }
  const values: Readonly<Record<string, string | boolean | undefined>> = parsed.values;
  if (values.help === true) return { ok: false, exitCode: EXIT_CODES.stopped };
  const named = COMMANDS.find((name) => name === parsed.positionals[0]);
  const command = named ?? "make";
  const [folder, user, ...others] = named === undefined ? parsed.positionals : parsed.positionals.slice(1);
  if (folder === undefined) return { ok: false, exitCode: EXIT_CODES.misused };
  const takesUser = OF_ONE.includes(command);
  if (takesUser !== (user !== undefined) || others.length > 0)
    return misused(`${command} takes ${takesUser ? "FOLDER and USER" : "FOLDER alone"}`);
  const unfit = Object.keys(values).find((name) => name !== "json" && !OPTIONS[command].includes(name));
  if (unfit !== undefined) return misused(`${command} takes no --${unfit}`);
  const problem = problemOf(command, values);
  if (problem !== undefined) return misused(problem);
  const text = (name: string): string | undefined => {
    const value = values[name];
    return typeof value === "string" ? value : undefined;
  };
  return {
    ok: true,
    arguments_: {
      ...{ command, folder, user: user ?? "", json: values.json === true, text },
      has: (name) => values[name] !== undefined,
      names: (name) => text(name)?.split(","),
    },
  };
}

function parse(args: readonly string[]) {
  const names = ["help", "json", ...new Set(Object.values(OPTIONS).flat())];
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...Object.fromEntries(
        names.map((name) => [
          name,
          { type: FLAGS.includes(name) ? ("boolean" as const) : ("string" as const) },
        ]),
      ),
      help: { type: "boolean", short: "h" },
    },
  });
}

function problemOf(command: Command, values: Readonly<Record<string, unknown>>): string | undefined {
  const has = (name: string): boolean => values[name] !== undefined;
  if (has("tls-cert") !== has("tls-key")) return "--tls-cert and --tls-key need each other";
  if (has("tls-ca") && !has("tls-cert")) return "--tls-ca needs --tls-cert";
  if (has("cert") !== has("key")) return "--cert and --key need each other";
  if ((has("ca") || has("cert")) && !has("server")) return "--ca and --cert need --server";
  if (has("jwt") && has("nsc")) return "--jwt and --nsc exclude each other";
  if (command === "push" && !has("server")) return "push needs --server";
  if (command === "change" && !has("providers") && !has("intents"))
    return "change needs --providers or --intents";
  if (command !== "add") return undefined;
  if (values.role !== "orchestrator" && values.role !== "gateway")
    return "add needs --role orchestrator or --role gateway";
  return has("providers") ? undefined : "add needs --providers";
}

function misused(problem: string): Reading {
  return { ok: false, exitCode: EXIT_CODES.misused, problem };
}
