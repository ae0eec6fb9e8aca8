import { USER_STATES, type UserState } from "@scbe/contracts";
import { z } from "zod";
import type { Audience, VerifierReport } from "../ports.ts";
import { Counts, countBy, countOf } from "./counts.ts";

const UserView = Counts.extend({ state: z.enum(USER_STATES) }).meta({ id: "User" });

export const UsersView = z
  .object({
    confirmed: z
      .boolean()
      .describe(
        "true: this controller hears all verifiers, knows those that were heard before it led, and each that holds anything has said that it holds what is in force. Absent users run nothing, and are not waited for",
      ),
    hears: z
      .enum(["none", "some", "all"])
      .describe("none: this controller does not lead; some: it has led for less than a lease time"),
    converged: z.int(),
    behind: z.int().describe("A verifier of theirs holds something else, or they have more than are counted"),
    silent: z
      .int()
      .describe(
        "A verifier of theirs did not ask within its lease, of this controller or of the one that led before",
      ),
    absent: z.int().describe("No verifier of theirs is known"),
    unknown: z
      .int()
      .describe(
        "None of theirs is behind or silent, but which verifiers were heard before this controller led could not be read",
      ),
    left_off: z.int().describe("Users that by_name does not show, for their number"),
    by_name: z.record(z.string(), UserView).describe("Those that are behind or silent first"),
  })
  .meta({ id: "Users" });
export type UsersView = z.infer<typeof UsersView>;

export interface UserStanding {
  readonly name: string;
  readonly state: UserState;
  readonly reports: readonly VerifierReport[];
}

/** How each user stands of whose verifiers this controller may hear; none where it hears nothing. */
export function userStates(reports: readonly VerifierReport[], audience: Audience): readonly UserStanding[] {
  if (audience.hears === "none") return [];
  const byName = Map.groupBy(reports, ({ name }) => name);
  const crowded = new Set(audience.crowded);
  const unnamed = new Set(audience.unnamed);
  return [...new Set([...audience.expected, ...byName.keys()])].map((name) => {
    const its = byName.get(name) ?? [];
    const state = stateOf(its, { isCrowded: crowded.has(name), hasUnnamed: unnamed.has(name) });
    const isSure = audience.recalls || state === "behind" || state === "silent";
    return { name, reports: its, state: isSure ? state : "unknown" };
  });
}

/** Users that an answer names. */
const NAMES_MAX = 1000;
const ORDER: Readonly<Record<UserState, number>> = {
  behind: 0,
  silent: 1,
  unknown: 2,
  absent: 3,
  converged: 4,
};

/** Whose verifiers have confirmed what is in force. */
export function showUsers(reports: readonly VerifierReport[], audience: Audience): UsersView {
  const users = userStates(reports, audience).toSorted((a, b) => ORDER[a.state] - ORDER[b.state]);
  const count = countBy(USER_STATES, users);
  const shown = users.slice(0, NAMES_MAX);
  return {
    confirmed: audience.hears === "all" && audience.recalls && count.behind === 0 && count.silent === 0,
    hears: audience.hears,
    ...count,
    left_off: users.length - shown.length,
    by_name: Object.fromEntries(
      shown.map(({ name, state, reports: its }) => [name, { ...countOf(its), state }]),
    ),
  };
}

/** A verifier that holds nothing seals and opens nothing: it confirms nothing, and nothing waits for it. */
function stateOf(
  reports: readonly VerifierReport[],
  { isCrowded, hasUnnamed }: { readonly isCrowded: boolean; readonly hasUnnamed: boolean },
): UserState {
  const states = new Set(reports.filter((report) => !holdsNothing(report)).map(({ state }) => state));
  if (isCrowded || states.has("behind")) return "behind";
  if (hasUnnamed || states.has("stale")) return "silent";
  return states.has("converged") ? "converged" : "absent";
}

function holdsNothing({ generation, state }: VerifierReport): boolean {
  return generation === undefined && state !== "stale";
}
