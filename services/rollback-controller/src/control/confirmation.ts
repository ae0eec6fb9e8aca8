import { USER_STATES, type UserState, VERIFIER_STATES } from "@scbe/contracts";
import { z } from "zod";
import type { Audience, VerifierReport } from "../ports.ts";

export const Counts = z
  .object({
    total: z.int(),
    converged: z.int().describe("They hold the document in force, and said so within their lease"),
    behind: z.int().describe("They sent a lease request, and hold another document"),
    stale: z.int().describe("They sent no lease request within their lease"),
  })
  .meta({ id: "VerifierCounts" });
export type Counts = z.infer<typeof Counts>;

const UserView = Counts.extend({ state: z.enum(USER_STATES) }).meta({ id: "User" });

export const UsersView = z
  .object({
    confirmed: z
      .boolean()
      .describe(
        "true: this controller hears all verifiers, knows those that earlier leaders heard, and each that holds a document has confirmed the one in force. Absent users run no verifier, and are not waited for",
      ),
    hears: z
      .enum(["none", "some", "all"])
      .describe("none: this controller does not lead; some: it has led for less than a lease time"),
    converged: z.int(),
    behind: z
      .int()
      .describe(
        "One of their verifiers holds another document, or they have more verifiers than are counted",
      ),
    silent: z
      .int()
      .describe(
        "One of their verifiers sent no request within its lease, neither to this controller nor to the leader before it",
      ),
    absent: z.int().describe("No verifier of theirs is known"),
    unknown: z
      .int()
      .describe(
        "None of their verifiers is behind or silent, but the verifiers that earlier leaders heard could not be read",
      ),
    left_off: z.int().describe("Users that by_name leaves out, because there are too many"),
    by_name: z.record(z.string(), UserView).describe("Users that are behind or silent come first"),
  })
  .meta({ id: "Users" });
export type UsersView = z.infer<typeof UsersView>;

export interface UserConfirmation {
  readonly name: string;
  readonly state: UserState;
  readonly reports: readonly VerifierReport[];
}

/** The state of each user whose verifiers this controller may hear; empty if it hears none. */
export function userStates(
  reports: readonly VerifierReport[],
  audience: Audience,
): readonly UserConfirmation[] {
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

/** The users, by whether their verifiers have confirmed the document in force. */
export function viewUsers(reports: readonly VerifierReport[], audience: Audience): UsersView {
  const users = userStates(reports, audience).toSorted((a, b) => ORDER[a.state] - ORDER[b.state]);
  const count = countBy(USER_STATES, users);
  const named = users.slice(0, NAMES_MAX);
  return {
    confirmed: audience.hears === "all" && audience.recalls && count.behind === 0 && count.silent === 0,
    hears: audience.hears,
    ...count,
    left_off: users.length - named.length,
    by_name: Object.fromEntries(
      named.map(({ name, state, reports: its }) => [name, { ...countVerifiers(its), state }]),
    ),
  };
}

export function countVerifiers(reports: readonly VerifierReport[]): Counts {
  return { total: reports.length, ...countBy(VERIFIER_STATES, reports) };
}

/** The number of rows in each state. */
export function countBy<S extends string>(
  states: readonly S[],
  rows: readonly { readonly state: S }[],
): Record<S, number> {
  const counts = Object.fromEntries(states.map((state) => [state, 0])) as Record<S, number>;
  for (const { state } of rows) counts[state] += 1;
  return counts;
}

/** A verifier that holds nothing seals and opens nothing: it confirms nothing, and confirmation does not wait for it. */
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
