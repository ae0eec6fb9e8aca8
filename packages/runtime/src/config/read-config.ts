import { existsSync, readFileSync, statSync } from "node:fs";
import { cutText } from "@scbe/contracts";
import { isOpenToOthers, type Variable, type Variables } from "./variables.ts";

/** What a process reads from its environment, keyed by the variables' names. */
export interface ConfigSpec<V extends Variables = Variables> {
  readonly variables: V;
}

/** The values of variables, under the variables' own names. */
export type ConfigOf<V extends Variables> = {
  readonly [K in keyof V]: V[K] extends Variable<infer T> ? T : never;
};

/** The configuration type of a specification: `type Config = ConfigValues<typeof config>`. */
export type ConfigValues<S> = S extends ConfigSpec<infer V> ? ConfigOf<V> : never;

/** Either the whole configuration, or every problem with it. */
export type ConfigReading<V extends Variables> =
  | { readonly ok: true; readonly config: ConfigOf<V> }
  | { readonly ok: false; readonly problems: readonly string[] };

/** The environment, as `process.env` has it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Names the variables of a process. Spread groups into it: `defineConfig({...transportVariables, MINE: integer(...)})`. */
export function defineConfig<const V extends Variables>(variables: V): ConfigSpec<V> {
  return { variables };
}

/**
 * Reads and checks every variable of `spec`. It reports all problems at once, each with its variable, what is wrong and what is expected;
 * the value of a secret is never part of one. An empty value counts as unset.
 */
export function readConfig<V extends Variables>(spec: ConfigSpec<V>, env: Environment): ConfigReading<V> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  const unread = new Set<string>();
  for (const [name, variable] of Object.entries(spec.variables)) {
    const found = readVariable(name, variable, env);
    if (found.ok) values[name] = found.value;
    else {
      unread.add(name);
      problems.push(`${name}: ${found.problem}`);
    }
  }
  for (const [name, variable] of Object.entries(spec.variables)) {
    if (values[name] === undefined) continue;
    const problem = checkBeside(variable, values[name], values, unread);
    if (problem !== undefined) problems.push(`${name}: ${problem}`);
  }
  return problems.length === 0 ? { ok: true, config: values as ConfigOf<V> } : { ok: false, problems };
}

/** A value that is compared with an unreadable one has no problem of its own yet. */
function checkBeside(
  variable: Variable<unknown>,
  value: unknown,
  values: Readonly<Record<string, unknown>>,
  unread: ReadonlySet<string>,
): string | undefined {
  let isPremature = false;
  const beside = new Proxy(values, {
    get: (target, name) => {
      isPremature ||= unread.has(String(name));
      return Reflect.get(target, name);
    },
  });
  const problem = variable.check?.(value, beside);
  return isPremature ? undefined : problem;
}

type Found =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problem: string };

function readVariable(name: string, variable: Variable<unknown>, env: Environment): Found {
  const source = rawValue(name, variable, env);
  if (!source.ok) return source;
  if (source.raw === undefined) {
    return variable.optional
      ? { ok: true, value: undefined }
      : { ok: false, problem: `is not set; expected ${variable.expected}` };
  }
  const parsed = variable.parse(source.raw);
  if (parsed.ok) return parsed;
  const value = variable.secret ? "its value" : JSON.stringify(printable(source.raw, variable));
  return { ok: false, problem: `${value} ${parsed.problem}; expected ${variable.expected}` };
}

type Raw =
  | { readonly ok: true; readonly raw: string | undefined }
  | { readonly ok: false; readonly problem: string };

function rawValue(name: string, variable: Variable<unknown>, env: Environment): Raw {
  const direct = env[name] === "" ? undefined : env[name];
  const file = variable.secret ? env[`${name}_FILE`] : undefined;
  if (file === undefined || file === "") return { ok: true, raw: direct ?? variable.default };
  if (direct !== undefined) return { ok: false, problem: `is set, and ${name}_FILE too; set one of them` };
  return readSecretFile(`${name}_FILE`, file);
}

const SECRET_BYTES_MAX = 65_536;

function readSecretFile(name: string, file: string): Raw {
  const wrong = (problem: string): Raw => ({
    ok: false,
    problem: `${name} ${JSON.stringify(printable(file, { isPath: true }))} ${problem}`,
  });
  if (!existsSync(file)) return wrong("names a file that does not exist");
  const found = statSync(file);
  if (!found.isFile()) return wrong("does not name a file");
  if (isOpenToOthers(found.mode)) return wrong("names a file that others may read; expected mode 0600");
  if (found.size > SECRET_BYTES_MAX) return wrong("names a file that is too large for a secret");
  try {
    const raw = readFileSync(file, "utf8").trim();
    return raw === "" ? wrong("names an empty file") : { ok: true, raw };
  } catch {
    return wrong("names a file that this process may not read");
  }
}

const PRINTABLE_MAX = 200;

/**
 * The start of a value, for a message: without what may be the user and password of a URL (all between the scheme and the last @), or secrets in
 * its query. In a path an @ has no such meaning, unless the path is a URL.
 */
function printable(raw: string, { isPath = false }: { readonly isPath?: boolean } = {}): string {
  const isUrl = raw.includes("://");
  const text = isPath && !isUrl ? raw : withoutLogin(raw);
  return cutText(isUrl ? text.replace(/\?.*$/s, "?***") : text, PRINTABLE_MAX);
}

/** A password may hold any character, so everything up to the last @ is left out, also in a list of URLs. */
function withoutLogin(text: string): string {
  const end = text.lastIndexOf("@");
  if (end === -1) return text;
  const [scheme = ""] = /^[\s\w+.-]*?:\/\//.exec(text.slice(0, end)) ?? [];
  return `${scheme}***${text.slice(end)}`;
}
