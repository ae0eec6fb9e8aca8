import { fixed } from "./fixed.ts";
import { TEXT_FORMS } from "./member-forms.ts";
import { edgesOf } from "./pattern-edges.ts";
import { base64url, headerText } from "./reference.ts";

export type Members = Readonly<Record<string, unknown>>;

/** The highest generation and integer of a message. */
export const GENERATION_MAX = 9_000_000_000_000_000;

/** The canonical text of an object of texts, integers and `null`. */
export const text = (members: Members): string =>
  headerText(Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)));

export const EPOCH = {
  ...{ v: 1, env: "dev", epoch: base64url(fixed("epoch", 16)), generation: 7, store: "store-1" },
  ...{ from: 29_453_700, to: 29_454_000 },
};
const RULES = { v: "EP1", env: "EP2", epoch: "EP3", generation: "EP4", store: "EP5", from: "EP6", to: "EP6" };

/** Records of the epoch, and whether a sealer accepts them. */
export function epochs() {
  const ok = (name: string, change: Members, ...rules: string[]) => ({
    ...{ name, rules, env: "dev", message: text({ ...EPOCH, ...change }), ok: true },
  });
  const not = (name: string, change: Members, rule: string, reason = "malformed") => ({
    ...{ name, rules: [rule], env: "dev", message: text({ ...EPOCH, ...change }), ok: false, reason },
  });
  const store = (length: number) => "s".repeat(length);
  return [
    ok("one as a guard broadcasts it", {}, "EP1", "EP2", "EP3", "EP4", "EP5", "EP6"),
    { ...ok("one of another environment of its reader", { env: "prod" }, "EP2"), env: "prod" },
    not("version 0", { v: 0 }, "EP1"),
    not("version 2", { v: 2 }, "EP1"),
    not("another environment", { env: "prod" }, "EP2", "env"),
    not("an environment that is none", { env: "test" }, "EP2"),
    not("an environment in capitals", { env: "DEV" }, "EP2"),
    not("an epoch of 15 bytes", { epoch: base64url(fixed("epoch", 15)) }, "EP3"),
    not("an epoch of 17 bytes", { epoch: base64url(fixed("epoch", 17)) }, "EP3"),
    not("an epoch with padding", { epoch: `${EPOCH.epoch}==` }, "EP3"),
    not("an epoch with a line feed", { epoch: `${EPOCH.epoch}\n` }, "EP3"),
    not("an epoch whose unused bits are set", { epoch: `${"A".repeat(21)}B` }, "EP3"),
    not("an epoch in the other alphabet", { epoch: `${"+".repeat(21)}A` }, "EP3"),
    not("no epoch", { epoch: "" }, "EP3"),
    ok("an epoch of zeros", { epoch: "A".repeat(22) }, "EP3"),
    ok("generation 1", { generation: 1 }, "EP4"),
    ok("generation 9e15", { generation: GENERATION_MAX }, "EP4"),
    not("generation 0", { generation: 0 }, "EP4"),
    not("generation 9e15 + 1", { generation: GENERATION_MAX + 1 }, "EP4"),
    ok("a store of one character", { store: "~" }, "EP5"),
    ok("a store of 128 characters", { store: store(128) }, "EP5"),
    ok("a store with a space", { store: " " }, "EP5"),
    not("a store without a name", { store: "" }, "EP5"),
    not("a store of 129 characters", { store: store(129) }, "EP5"),
    not("a store beyond ASCII", { store: "é" }, "EP5"),
    not("a store with a tab", { store: "a\tb" }, "EP5"),
    not("a store with a line feed at its end", { store: "a\n" }, "EP5"),
    ok("minutes at their bounds", { from: 0, to: 4_294_967_295 }, "EP6"),
    ok("minutes in another order", { from: 2, to: 1 }, "EP6"),
    not("a part of a minute", { to: 1.5 }, "EP6"),
    ...Object.entries(RULES).flatMap(([member, rule]) => [
      not(`${member}: absent`, { [member]: undefined }, rule),
      not(`${member}: null`, { [member]: null }, rule),
    ]),
    ...edgesOf(TEXT_FORMS.epoch?.places ?? []).map(({ what, value, ok: fits }) =>
      (fits ? ok : not)(`epoch: ${what}`, { epoch: value }, "EP3"),
    ),
    ...(["from", "to"] as const).flatMap((member) => [
      ok(`${member}: 0`, { [member]: 0 }, "EP6"),
      ok(`${member}: 2^32 - 1`, { [member]: 4_294_967_295 }, "EP6"),
      not(`${member}: -1`, { [member]: -1 }, "EP6"),
      not(`${member}: 2^32`, { [member]: 4_294_967_296 }, "EP6"),
      not(`${member}: 0.5`, { [member]: 0.5 }, "EP6"),
    ]),
    not("malformed and of another environment", { env: "prod", v: 2 }, "EP7"),
  ];
}

/** What a sealer receives, and the epoch that it then seals for. */
export function sequences() {
  const FIRST = base64url(fixed("epoch", 16));
  const SECOND = base64url(fixed("another epoch", 16));
  const heard = (as: "broadcast" | "answer", generation: number, epoch: string, change: Members = {}) => ({
    as,
    message: text({ ...EPOCH, generation, epoch, ...change }),
  });
  const one = (name: string, rules: string[], epoch: string | null, ...what: ReturnType<typeof heard>[]) => ({
    ...{ name, rules, env: "dev", heard: what, epoch },
  });
  const first = heard("broadcast", 7, FIRST);
  const OTHER_ENV = { env: "prod" };
  return [
    one("the first broadcast", ["EP8"], FIRST, heard("broadcast", 1, FIRST)),
    one("a higher broadcast", ["EP8"], SECOND, first, heard("broadcast", 8, SECOND)),
    one("an equal broadcast", ["EP8"], FIRST, first, heard("broadcast", 7, SECOND)),
    one("a lower broadcast", ["EP8"], FIRST, first, heard("broadcast", 6, SECOND)),
    one(
      "a lower broadcast after an answer",
      ["EP8"],
      FIRST,
      heard("answer", 7, FIRST),
      heard("broadcast", 6, SECOND),
    ),
    one("the first answer", ["EP9"], FIRST, heard("answer", 7, FIRST)),
    one("a higher answer", ["EP9"], SECOND, first, heard("answer", 8, SECOND)),
    one("an equal answer", ["EP9"], SECOND, first, heard("answer", 7, SECOND)),
    one("a lower answer", ["EP9"], SECOND, first, heard("answer", 1, SECOND)),
    one(
      "a broadcast above a lower answer",
      ["EP9"],
      FIRST,
      ...[first, heard("answer", 3, SECOND), heard("broadcast", 4, FIRST)],
    ),
    one("a broadcast of another environment", ["EP7"], null, heard("broadcast", 7, FIRST, OTHER_ENV)),
    one("an answer of another environment", ["EP7"], FIRST, first, heard("answer", 8, SECOND, OTHER_ENV)),
    one("a malformed broadcast", ["EP7"], FIRST, first, heard("broadcast", 8, SECOND, { v: 2 })),
    one(
      "a broadcast of another environment leaves the generation",
      ["EP7"],
      SECOND,
      ...[first, heard("broadcast", 9, FIRST, OTHER_ENV), heard("broadcast", 8, SECOND)],
    ),
  ];
}
