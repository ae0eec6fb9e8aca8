/** A file of docs/spec/vectors, parsed. */
export interface VectorFile {
  /** From the root. */
  readonly path: string;
  readonly json: unknown;
}

/** A vector: the outermost object that has a `name` or `rules`. */
export interface FoundVector {
  /** Absent: it lacks one. */
  readonly name: string | undefined;
  readonly rules: readonly string[];
  /** Its place in its file, as `refused[3]`. */
  readonly at: string;
  readonly vector: Readonly<Record<string, unknown>>;
}

/** Every vector of a file, at any depth, in its order. */
export function vectorsIn({ json }: VectorFile): FoundVector[] {
  return find(json, "");
}

function find(value: unknown, at: string): FoundVector[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => find(item, `${at}[${index}]`));
  if (typeof value !== "object" || value === null) return [];
  const vector = value as Readonly<Record<string, unknown>>;
  if (!Object.hasOwn(vector, "name") && !Object.hasOwn(vector, "rules")) {
    return Object.entries(vector).flatMap(([key, item]) => find(item, at === "" ? key : `${at}.${key}`));
  }
  const { name, rules } = vector;
  return [
    {
      name: isText(name) ? name : undefined,
      rules: Array.isArray(rules) ? rules.filter(isText) : [],
      at,
      vector,
    },
  ];
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

/** What a vector says must come of it; undefined: it has no outcome of the two. */
export function outcomeOf({ vector, at }: FoundVector): "accepted" | "refused" | undefined {
  const said = [vector.opens, vector.ok, vector.accepted].find((value) => typeof value === "boolean");
  if (said !== undefined) return said ? "accepted" : "refused";
  if (isText(vector.reason) || /^(\w+_)?refused/.test(at)) return "refused";
  return undefined;
}
