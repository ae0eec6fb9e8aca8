import { make } from "./fixed.ts";
import { TEXT_FORMS } from "./member-forms.ts";
import { edgesOf } from "./pattern-edges.ts";

/** Headers in canonical form, each of which differs from a legal one in the text of one member. */
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
