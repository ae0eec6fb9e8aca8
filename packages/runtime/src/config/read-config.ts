import { existsSync, readFileSync, statSync } from "node:fs";
import { isOpenToOthers } from "./builders.ts";
import { showValue } from "./show-value.ts";
import type { ConfigOf, ConfigSpec, Variable, Variables } from "./variable.ts";

/** Either the whole configuration, or everything that is wrong with it. */
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
 * Reads and checks every variable of `spec`. All problems are found at once, each naming its variable, what is wrong
 * and what is expected; a value is shown only where the variable is no secret. An empty value counts as unset.
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

/** A value that is compared with one that could not be read has no problem of its own yet. */
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
  const shown = variable.secret ? "its value" : JSON.stringify(showValue(source.raw, variable));
  return { ok: false, problem: `${shown} ${parsed.problem}; expected ${variable.expected}` };
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
    problem: `${name} ${JSON.stringify(showValue(file, { isPath: true }))} ${problem}`,
  });
  if (!existsSync(file)) return wrong("names a file that does not exist");
  const found = statSync(file);
  if (!found.isFile()) return wrong("names something that is no file");
  if (isOpenToOthers(found.mode)) return wrong("names a file that others may read; expected mode 0600");
  if (found.size > SECRET_BYTES_MAX) return wrong("names a file that is too large for a secret");
  try {
    const raw = readFileSync(file, "utf8").trim();
    return raw === "" ? wrong("names an empty file") : { ok: true, raw };
  } catch {
    return wrong("names a file that this process may not read");
  }
}
