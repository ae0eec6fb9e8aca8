import { make } from "./fixed.ts";
import { edgesOf, type Place } from "./pattern-edges.ts";

const B64 = "AZaz09--__";
const HEX = "09af";
const NAME: readonly Place[] = [{ ranges: "az09" }, { ranges: "az09--__", min: 0, max: 63 }];
const B64_12 = [{ ranges: B64, min: 16 }];
const B64_16 = [{ ranges: B64, min: 21 }, { ranges: "AAQQggww" }];
const B64_24 = [{ ranges: B64, min: 32 }];
const B64_32 = [{ ranges: B64, min: 42 }, { ranges: "AAEEIIMMQQUUYYccggkkoossww004488" }];
const HYPHEN = { ranges: "--" };
const FOUR = { ranges: HEX, min: 4 };

/** The form of each text member of a header (docs/spec/envelope-v1.md, H1 to H17), place by place. */
export const TEXT_FORMS: Readonly<
  Record<string, { readonly rule: string; readonly places: readonly Place[] }>
> = {
  commitment: { rule: "H1", places: B64_32 },
  content_type: { rule: "H2", places: [{ ranges: "  !!#[]~", min: 1, max: 128 }] },
  epoch: { rule: "H4", places: B64_16 },
  in_reply_to: { rule: "H6", places: B64_32 },
  intent: { rule: "H7", places: NAME },
  kid: { rule: "H8", places: NAME },
  model: { rule: "H9", places: [{ ranges: "AZaz09..__:://@@++--", min: 1, max: 128 }] },
  nonce: { rule: "H10", places: B64_12 },
  provider: { rule: "H12", places: NAME },
  replay_nonce: { rule: "H13", places: B64_24 },
  request_id: {
    rule: "H14",
    places: [
      { ranges: HEX, min: 8 },
      HYPHEN,
      FOUR,
      HYPHEN,
      FOUR,
      HYPHEN,
      FOUR,
      HYPHEN,
      { ranges: HEX, min: 12 },
    ],
  },
  schema_hash: {
    rule: "H15",
    places: [..."sha256:"].map((it): Place => ({ ranges: it + it })).concat([{ ranges: HEX, min: 64 }]),
  },
  session_id: { rule: "H17", places: B64_32 },
};

/** Headers in canonical form that differ from a valid one in the text of one member. */
export function headerForms() {
  return Object.entries(TEXT_FORMS).flatMap(([member, { rule, places }]) =>
    edgesOf(places).map(({ what, value, ok }) => ({
      ...{ name: `${member}: ${what}`, rules: [rule] },
      header: make({
        phase: member === "in_reply_to" ? "response" : "request",
        members: { [member]: value },
      }).text,
      ...(ok ? { ok } : { ok, reason: "members" }),
    })),
  );
}
