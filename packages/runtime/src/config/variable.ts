/** One environment variable: how it is read, and all that its documentation says. */
export interface Variable<T> {
  /** What a value is, as "an integer from 1 to 600"; shown with every problem. */
  readonly expected: string;
  /** What it is for, one or two sentences. */
  readonly doc: string;
  /** Of what the number is: `s`, `ms`, `bytes`. */
  readonly unit?: string;
  /** The raw default. */
  readonly default?: string;
  /** Unset and without default is fine: the value is `undefined`. */
  readonly optional: boolean;
  /** Never shown, and also read from the file that `<NAME>_FILE` names. */
  readonly secret: boolean;
  /** A path: a refused value is shown whole. Of others, what may be a login in a URL is left out. */
  readonly isPath?: boolean;
  /** The value, or what is wrong with it. */
  parse(raw: string): Parsed<T>;
  /** What is wrong with it next to the other variables' values; counts only where all that it looks at could be read. */
  check?(value: T, config: Readonly<Record<string, unknown>>): string | undefined;
}

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: string };

export type Variables = Readonly<Record<string, Variable<unknown>>>;

/** What a process reads from its environment, keyed by the variables' names. */
export interface ConfigSpec<V extends Variables = Variables> {
  readonly variables: V;
}

/** The values of a specification, under the variables' own names. */
export type ConfigOf<V extends Variables> = {
  readonly [K in keyof V]: V[K] extends Variable<infer T> ? T : never;
};

/** The configuration type that belongs to a specification: `type Config = ConfigValues<typeof config>`. */
export type ConfigValues<S> = S extends ConfigSpec<infer V> ? ConfigOf<V> : never;
