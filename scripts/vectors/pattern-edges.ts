/** Characters at one place of a form, as ranges: `"az09--"` is a to z, 0 to 9, and the hyphen. */
export interface Place {
  readonly ranges: string;
  /** The number of characters; default 1. */
  readonly min?: number;
  readonly max?: number;
}

export interface Edge {
  readonly what: string;
  readonly value: string;
  readonly ok: boolean;
}

/**
 * Texts at both sides of every edge of a form: each place with the first and the last character of each of its ranges, and with the
 * characters beside those; with the least and the greatest number of characters, and one fewer and one more.
 */
export function edgesOf(places: readonly Place[]): Edge[] {
  const edges = places.flatMap((place, at) => [
    ...charactersOf(places, place, at),
    ...lengthsOf(places, place, at),
  ]);
  const usual = textOf(places);
  const around = [
    { what: "a line feed behind it", value: `${usual}\n`, ok: false },
    { what: "a line feed before it", value: `\n${usual}`, ok: false },
    { what: "empty", value: "", ok: false },
  ];
  return distinct([{ what: "usual", value: usual, ok: true }, ...edges, ...around]);
}

function charactersOf(places: readonly Place[], place: Place, at: number): Edge[] {
  const { min = 1, max = min } = place;
  const count = Math.max(min, Math.min(2, max));
  const text = (character: string, where: "first" | "last") => {
    const usual = usualOf(place).repeat(count - 1);
    return textOf(places, at, where === "first" ? character + usual : usual + character);
  };
  const each = (character: string, ok: boolean): Edge[] =>
    (count > 1 ? (["first", "last"] as const) : (["first"] as const)).map((where) => ({
      what: `place ${at + 1}, ${where}: ${nameOf(character)}`,
      value: text(character, where),
      ok,
    }));
  const inside = rangesOf(place).flat();
  const beside = inside
    .flatMap((code) => [code - 1, code + 1])
    .filter((code) => code >= 0 && !isIn(place, code));
  const cases = [...inside, ...beside].flatMap(otherCase).filter((code) => !isIn(place, code));
  const show = (codes: readonly number[], ok: boolean) =>
    [...new Set(codes)].flatMap((code) => each(String.fromCharCode(code), ok));
  return [...show(inside, true), ...show([...beside, ...cases], false)];
}

function lengthsOf(places: readonly Place[], place: Place, at: number): Edge[] {
  const { min = 1, max = min } = place;
  const of = (count: number, ok: boolean): Edge => ({
    what: `place ${at + 1}: ${count} of it`,
    value: textOf(places, at, usualOf(place).repeat(count)),
    ok,
  });
  const next = places[at + 1];
  const isTakenByNext =
    next?.max !== undefined && next.max !== next.min && isIn(next, place.ranges.charCodeAt(0));
  return [
    of(min, true),
    of(max, true),
    ...(isTakenByNext ? [] : [of(max + 1, false)]),
    ...(min > 0 ? [of(min - 1, false)] : []),
  ];
}

/** A text of the form: each place at its least length, one of them replaced. */
function textOf(places: readonly Place[], replaced?: number, by = ""): string {
  return places
    .map((place, at) => (at === replaced ? by : usualOf(place).repeat(Math.max(place.min ?? 1, 0))))
    .join("");
}

function usualOf({ ranges }: Place): string {
  return ranges.charAt(0);
}

function rangesOf({ ranges }: Place): [from: number, to: number][] {
  return Array.from({ length: ranges.length / 2 }, (_, at) => [
    ranges.charCodeAt(2 * at),
    ranges.charCodeAt(2 * at + 1),
  ]);
}

function isIn(place: Place, code: number): boolean {
  return rangesOf(place).some(([from, to]) => from <= code && code <= to);
}

function otherCase(code: number): number[] {
  const text = String.fromCharCode(code);
  return [text.toLowerCase(), text.toUpperCase()].map((it) => it.charCodeAt(0)).filter((it) => it !== code);
}

function nameOf(character: string): string {
  const code = character.charCodeAt(0);
  return code > 0x20 && code < 0x7f ? character : `U+${code.toString(16).padStart(4, "0").toUpperCase()}`;
}

function distinct(edges: readonly Edge[]): Edge[] {
  const known = new Map<string, Edge>();
  for (const edge of edges) if (!known.has(edge.value)) known.set(edge.value, edge);
  return [...known.values()];
}
