import { clientConfig } from "@scbe/client";
import { ACCESS, ACCESS_WITH_FALLBACK, isScbeError, type ListedUser } from "@scbe/contracts";
import {
  accountsToPush,
  type Credentials,
  type CredentialsOptions,
  changeDeployment,
  type DeploymentChange,
  type DeploymentFile,
  deploymentIn,
  issueCredentials,
  openDeployment,
  type PushedAccount,
  pushAccounts,
  pushCredsIn,
  type ServerDuty,
} from "@scbe/credentials";
import { defineConfig, readConfig } from "@scbe/runtime";
import { createLogger, EXIT_CODES } from "@scbe/service";
import { type Arguments, HELP, readArguments } from "./arguments.ts";

/** What is left to do after the change of the server. */
const COPIES =
  "services that have a copy of users.json need the new one; a user that was changed needs its new .env file and a restart\n";
const DONE = { add: "added", change: "changed", remove: "removed" } as const;

const { SCBE_ENVIRONMENT, SCBE_PROVIDERS, SCBE_INTENTS, SCBE_FALLBACK } = clientConfig.variables;
const spec = defineConfig({ SCBE_ENVIRONMENT, SCBE_PROVIDERS, SCBE_INTENTS, SCBE_FALLBACK });
process.exitCode = await main();

async function main(): Promise<number> {
  const reading = readArguments(process.argv.slice(2));
  if (!reading.ok) {
    if (reading.problem !== undefined) return complain(`${reading.problem}\n\n${HELP}`, reading.exitCode);
    process.stdout.write(HELP);
    return reading.exitCode;
  }
  const { arguments_ } = reading;
  try {
    const { command } = arguments_;
    if (command === "make") return make(arguments_);
    if (command === "list") return list(arguments_);
    if (command === "push") return await push(arguments_);
    return await changeOne(arguments_, changeOf(arguments_));
  } catch (error) {
    if (!isScbeError(error)) throw error;
    return complain(error.message, EXIT_CODES.failed);
  }
}

function make(arguments_: Arguments): number {
  const former = deploymentIn(arguments_.folder);
  const reading = readConfig(spec, { ...variablesOf(former), ...process.env });
  if (!reading.ok) return complain(reading.problems.join("\n"), EXIT_CODES.misconfigured);
  const { SCBE_ENVIRONMENT: env, SCBE_PROVIDERS: providers, SCBE_FALLBACK } = reading.config;
  const table = SCBE_FALLBACK === "allow" ? ACCESS_WITH_FALLBACK : ACCESS;
  const intents = reading.config.SCBE_INTENTS;
  const options = { env, providers, intents, table, ...optionsOf(arguments_, former) };
  const credentials = issueCredentials(arguments_.folder, options);
  if (arguments_.json) return printJson(summary(credentials));
  const { users, controlPublicKey } = credentials;
  process.stdout.write(users.map(({ name, nkey }) => `${nkey} ${name}\n`).join(""));
  process.stdout.write(`${controlPublicKey} control.signing\n`);
  if (credentials.accounts === "nsc")
    process.stderr.write(
      `sh ${arguments_.folder}/nsc.sh makes the accounts under the operator that nsc has selected\n`,
    );
  return EXIT_CODES.stopped;
}

function list({ folder, json }: Arguments): number {
  const { users, file } = openDeployment(folder);
  if (json) return printJson({ accounts: file.accounts, environment: file.environment, users });
  process.stdout.write(users.map((user) => `${lineOf(user)}\n`).join(""));
  return EXIT_CODES.stopped;
}

async function push(arguments_: Arguments): Promise<number> {
  const pushed = await pushTo(arguments_);
  if (arguments_.json) return printJson({ pushed });
  process.stdout.write(pushed.map((account) => `${pushedLine(account)}\n`).join(""));
  return EXIT_CODES.stopped;
}

async function changeOne(arguments_: Arguments, change: DeploymentChange): Promise<number> {
  const { folder, json } = arguments_;
  const isToPush = arguments_.has("server");
  if (isToPush && openDeployment(folder).file.accounts !== "jwt")
    return complain(
      "--server is for a folder with JWTs: elsewhere no server can be told",
      EXIT_CODES.misused,
    );
  const { user, server } = changeDeployment(folder, change);
  const { name, role, nkey, providers, intents } = user;
  const listed = { name, role, nkey, providers: [...providers], ...(intents && { intents: [...intents] }) };
  let pushed: readonly PushedAccount[] | undefined;
  try {
    pushed = isToPush && isLeft(server) ? await pushTo(arguments_) : undefined;
  } catch (error) {
    if (!isScbeError(error)) throw error;
    const left = `the change is in ${folder}, and no server knows of it: ${pushCommand(arguments_)}`;
    return complain(`${error.message}\n${left}`, EXIT_CODES.failed);
  }
  if (json) return printJson({ [DONE[change.kind]]: listed, ...dutyAsJson(server, pushed) });
  process.stdout.write(`${DONE[change.kind]} ${lineOf(listed)}\n`);
  process.stdout.write(dutyAsText(arguments_, server, pushed));
  return EXIT_CODES.stopped;
}

/** The defaults of variables that are not set: what the folder was made with. */
function variablesOf(former: DeploymentFile | undefined): Record<string, string> {
  if (former === undefined) return {};
  return {
    SCBE_ENVIRONMENT: former.environment,
    SCBE_PROVIDERS: former.base.providers.join(","),
    ...(former.base.intents && { SCBE_INTENTS: former.base.intents.join(",") }),
    SCBE_FALLBACK: former.fallback ? "allow" : "refuse",
  };
}

function optionsOf(arguments_: Arguments, former: DeploymentFile | undefined): Partial<CredentialsOptions> {
  const { text, names, has } = arguments_;
  const orchestrators = names("orchestrators") ?? former?.base.orchestrators;
  const gateways = names("gateways") ?? former?.base.gateways;
  const storeDir = text("store") ?? former?.storeDir;
  const [cert, key, ca] = [text("tls-cert"), text("tls-key"), text("tls-ca")];
  const tls = cert !== undefined && key !== undefined ? { cert, key, ca } : former?.tls;
  return {
    accounts: has("jwt") ? "jwt" : has("nsc") ? "nsc" : (former?.accounts ?? "nkeys"),
    ...(orchestrators && { orchestrators }),
    ...(gateways && { gateways }),
    ...(storeDir !== undefined && { storeDir }),
    ...(tls && { tls: { cert: tls.cert, key: tls.key, ...(tls.ca !== undefined && { ca: tls.ca }) } }),
  };
}

function changeOf({ command, user: name, text, names }: Arguments): DeploymentChange {
  const [providers, intents] = [names("providers"), names("intents")];
  if (command === "remove") return { kind: "remove", name };
  if (command === "change") {
    const limits = text("intents") === "all" ? null : intents;
    return {
      ...{ kind: "change", name },
      change: { ...(providers && { providers }), ...(limits !== undefined && { intents: limits }) },
    };
  }
  const role = text("role") === "gateway" ? "gateway" : "orchestrator";
  const user = { name, role, providers: providers ?? [], ...(intents && { intents }) } as const;
  return { kind: "add", user };
}

/** Pushes all accounts: a push of an unchanged account has no effect, and an earlier change can still be missing. */
async function pushTo({ folder, text }: Arguments): Promise<readonly PushedAccount[]> {
  const [server, ca, cert, key] = ["server", "ca", "cert", "key"].map(text);
  return await pushAccounts({
    accounts: accountsToPush(folder),
    transport: {
      ...{ servers: (server ?? "").split(","), credsFile: pushCredsIn(folder) },
      ...(ca !== undefined && { tlsCaFile: ca }),
      ...(cert !== undefined && { tlsCertFile: cert }),
      ...(key !== undefined && { tlsKeyFile: key }),
    },
    log: createLogger({ name: "issue-credentials", level: "silent" }),
    authoritySetting: "--ca",
  });
}

/** True when servers do not have the change yet. */
function isLeft(server: ServerDuty): boolean {
  return server.accounts !== "jwt" || server.push.length > 0;
}

function dutyAsText(
  arguments_: Arguments,
  server: ServerDuty,
  pushed: readonly PushedAccount[] | undefined,
): string {
  if (pushed !== undefined) return pushed.map((account) => `${pushedLine(account)}\n`).join("") + COPIES;
  if (server.accounts === "nsc") return `${server.commands.join("\n")}\n`;
  if (server.accounts === "nkeys")
    return `nats.conf has changed: send nats-server a SIGHUP (nats-server --signal reload), which ends no connection of the others\n${COPIES}`;
  if (server.push.length === 0) return "no account has changed: nothing is to be pushed or reloaded\n";
  return `no server knows of it yet: ${pushCommand(arguments_)}\n${COPIES}`;
}

function dutyAsJson(server: ServerDuty, pushed: readonly PushedAccount[] | undefined): object {
  if (pushed !== undefined) return { server: "pushed", pushed };
  if (server.accounts === "nkeys") return { server: "reload" };
  if (server.accounts === "nsc") return { server: "commands", commands: server.commands };
  return { server: server.push.length === 0 ? "nothing" : "push", push: server.push.map(({ name }) => name) };
}

function pushCommand({ folder }: Arguments): string {
  return `node scripts/issue-credentials.ts push ${folder} --server URL`;
}

function pushedLine({ name, servers }: PushedAccount): string {
  return `pushed ${name} to ${servers.join(", ")}`;
}

function lineOf({ name, role, nkey, providers, intents }: ListedUser): string {
  return [nkey, name, role, providers.join(",") || "-", intents?.join(",") ?? "all"].join(" ");
}

function summary({ accounts, users, controlPublicKey, configFile, usersFile, jwts }: Credentials): object {
  const shown = users.map(({ name, role, nkey, providers, intents }) => ({
    name,
    role,
    nkey,
    providers,
    intents,
  }));
  return {
    ...{ accounts, users: shown, controlPublicKey, usersFile, ...(accounts !== "nsc" && { configFile }) },
    ...(accounts === "jwt" && { push: jwts.filter(({ isNew }) => isNew).map(({ name }) => name) }),
  };
}

function printJson(value: object): number {
  process.stdout.write(`${JSON.stringify(value)}\n`);
  return EXIT_CODES.stopped;
}

function complain(what: string, exitCode: number): number {
  process.stderr.write(`${what.trimEnd()}\n`);
  return exitCode;
}
