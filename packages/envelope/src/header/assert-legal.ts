import { ScbeError } from "@scbe/contracts";
import { FORMS, type Member } from "./forms.ts";

/** @throws ScbeError BAD_REQUEST naming the first member whose value cannot stand in a header; never the value itself */
export function assertLegal(members: Readonly<Partial<Record<Member, unknown>>>): void {
  for (const [member, value] of Object.entries(members)) {
    if (!FORMS[member as Member](value)) {
      throw new ScbeError("BAD_REQUEST", `this ${member} cannot stand in an envelope's header`);
    }
  }
}
