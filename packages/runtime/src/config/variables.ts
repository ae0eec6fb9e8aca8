import { existsSync, statSync } from "node:fs";
import { whyNotOwn } from "../own-folder.ts";

/** One environment variable: how it is read, and what its documentation says. */
export interface Variable<T> {
  /** What a value is, as "an integer from 1 to 600"; part of every problem. */
  readonly expected: string;
  /** What it is for, in one or two sentences. */
  readonly doc: string;
  /** `s`, `ms`, `bytes`, or what the number counts. */
  readonly unit?: string;
  /** The raw default. */
  readonly default?: string;
  /** It may be unset and have no default: the value is then `undefined`. */
  readonly optional: boolean;
  /** Never part of a problem, and also read from the file that `<NAME>_FILE` names. */
  readonly secret: boolean;
  /** A path: a problem quotes it whole. Of other values it leaves out what may be a login in a URL. */
  readonly isPath?: boolean;
  /** The value, or what is wrong with it. */
  parse(raw: string): Parsed<T>;
  /** What is wrong with the value given those of the other variables; ignored if it reads a variable that has a problem itself. */
  check?(value: T, config: Readonly<Record<string, unknown>>): string | undefined;
}

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: string };

export type Variables = Readonly<Record<string, Variable<unknown>>>;

interface Common<T> {
  readonly doc: string;
  readonly secret?: boolean;
  readonly check?: (value: T, config: Readonly<Record<string, unknown>>) => string | undefined;
}
/** The value of a variable that is unset. */
type WithDefault<T> = { readonly default: T };
type Optional = { readonly optional: true };

/** How {@link make} turns the options of a builder into a {@link Variable}. */
interface Recipe<T> {
  readonly expected: string;
  readonly parse: (raw: string) => Parsed<T>;
  readonly unit?: string;
  readonly default?: string;
  readonly isPath?: boolean;
}

function make<T>(options: Common<T> & Partial<Optional>, recipe: Recipe<T>): Variable<T> {
  return {
    doc: options.doc,
    secret: options.secret ?? false,
    optional: options.optional ?? false,
    ...(options.check && { check: options.check }),
    ...recipe,
  };
}

const good = <T>(value: T): Parsed<T> => ({ ok: true, value });
const bad = (problem: string): Parsed<never> => ({ ok: false, problem });

interface IntegerOptions extends Common<number> {
  readonly min: number;
  readonly max: number;
  readonly unit?: string;
}
/** A decimal integer within bounds, both inclusive. */
export function integer(options: IntegerOptions & Optional): Variable<number | undefined>;
export function integer(options: IntegerOptions & Partial<WithDefault<number>>): Variable<number>;
export function integer(options: IntegerOptions & Partial<WithDefault<number> & Optional>): Variable<number> {
  const { min, max, unit } = options;
  return make(options, {
    expected: `an integer from ${min} to ${max}${unit === undefined ? "" : ` (${unit})`}`,
    parse: (raw) => {
      if (!/^-?\d{1,16}$/.test(raw)) return bad("is not a decimal integer");
      const value = Number(raw);
      return value < min || value > max ? bad("is out of bounds") : good(value);
    },
    ...(unit !== undefined && { unit }),
    ...(options.default !== undefined && { default: String(options.default) }),
  });
}

interface TextOptions extends Common<string> {
  readonly pattern?: RegExp;
  /** What `pattern` means, in words: "1 to 64 letters". */
  readonly expected?: string;
}
/** Text of at least one character. */
export function text(options: TextOptions & Optional): Variable<string | undefined>;
export function text(options: TextOptions & Partial<WithDefault<string>>): Variable<string>;
export function text(options: TextOptions & Partial<WithDefault<string> & Optional>): Variable<string> {
  const { pattern } = options;
  return make(options, {
    expected: options.expected ?? (pattern === undefined ? "text" : `text that matches ${pattern.source}`),
    parse: (raw) => (pattern === undefined || pattern.test(raw) ? good(raw) : bad("does not have that form")),
    ...(options.default !== undefined && { default: options.default }),
  });
}

/** One of a few values. */
export function choice<const C extends string>(
  values: readonly C[],
  options: Common<C> & Partial<WithDefault<NoInfer<C>>>,
): Variable<C> {
  return make(options, {
    expected: `one of ${values.join(", ")}`,
    parse: (raw) => {
      const value = values.find((candidate) => candidate === raw);
      return value === undefined ? bad("is not one of them") : good(value);
    },
    ...(options.default !== undefined && { default: options.default }),
  });
}

interface ListOptions extends Common<readonly string[]> {
  /** Every item has this form. */
  readonly pattern: RegExp;
  /** What an item is, in words: "a provider name". */
  readonly item: string;
  readonly max: number;
}
/** Items separated by commas, in order: at least one, no duplicates. */
export function list(options: ListOptions & Optional): Variable<readonly string[] | undefined>;
export function list(
  options: ListOptions & Partial<WithDefault<readonly string[]>>,
): Variable<readonly string[]>;
export function list(
  options: ListOptions & Partial<WithDefault<readonly string[]> & Optional>,
): Variable<readonly string[]> {
  return make(options, {
    expected: `1 to ${options.max} items separated by commas, each ${options.item}`,
    parse: (raw) => {
      const items = raw.split(",").map((item) => item.trim());
      const position = items.findIndex((item) => !options.pattern.test(item));
      if (position !== -1) return bad(`has an item that is not ${options.item} (number ${position + 1})`);
      if (new Set(items).size !== items.length) return bad("names an item twice");
      return items.length > options.max ? bad("has too many items") : good(items);
    },
    ...(options.default !== undefined && { default: options.default.join(",") }),
  });
}

interface UrlOptions extends Common<string> {
  /** Schemes that are allowed, without colon. */
  readonly schemes: readonly string[];
}
/** A URL with one of a few schemes. */
export function url(options: UrlOptions & Optional): Variable<string | undefined>;
export function url(options: UrlOptions & Partial<WithDefault<string>>): Variable<string>;
export function url(options: UrlOptions & Partial<WithDefault<string> & Optional>): Variable<string> {
  return make(options, {
    expected: `a URL with scheme ${options.schemes.join(" or ")}`,
    parse: (raw) => {
      if (!URL.canParse(raw)) return bad("is not a URL");
      return options.schemes.includes(new URL(raw).protocol.slice(0, -1))
        ? good(raw)
        : bad("has another scheme");
    },
    ...(options.default !== undefined && { default: options.default }),
  });
}

interface PathOptions extends Common<string> {
  /** It holds a secret: refused if its group or the world may read it. */
  readonly private?: boolean;
  /** It need not exist when the process starts. */
  readonly mayBeMissing?: boolean;
}
/** The path of a file. */
export function path(options: PathOptions & Optional): Variable<string | undefined>;
export function path(options: PathOptions & Partial<WithDefault<string>>): Variable<string>;
export function path(options: PathOptions & Partial<WithDefault<string> & Optional>): Variable<string> {
  const kind = options.private === true ? "a file that only its owner may read (mode 0600)" : "a file";
  return make(options, {
    isPath: true,
    expected: `the path of ${kind}`,
    parse: (raw) => {
      if (!existsSync(raw))
        return options.mayBeMissing === true ? good(raw) : bad("names a file that does not exist");
      const found = statSync(raw);
      if (!found.isFile()) return bad("does not name a file");
      if (options.private === true && isOpenToOthers(found.mode))
        return bad("names a file that others may read");
      return good(raw);
    },
    ...(options.default !== undefined && { default: options.default }),
  });
}

/**
 * The path of a folder for the process's state, which need not exist yet. A folder of another user, or one that other users may write to, is
 * refused; see {@link whyNotOwn}.
 */
export function stateFolder(options: Common<string> & Optional): Variable<string | undefined>;
export function stateFolder(options: Common<string> & WithDefault<string>): Variable<string>;
export function stateFolder(
  options: Common<string> & Partial<WithDefault<string> & Optional>,
): Variable<string> {
  return make(options, {
    isPath: true,
    expected: "the path of a folder that no other user may write to; it is created if it does not exist",
    parse: (raw) => {
      if (statSync(raw, { throwIfNoEntry: false })?.isDirectory() === false)
        return bad("does not name a folder");
      const why = whyNotOwn(raw);
      return why === undefined ? good(raw) : bad(`is refused: ${why}`);
    },
    ...(options.default !== undefined && { default: options.default }),
  });
}

/** True if the group or the world has any right on a file of this mode. */
export function isOpenToOthers(mode: number): boolean {
  return process.platform !== "win32" && (mode & 0o077) !== 0;
}
