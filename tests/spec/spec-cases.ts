import { cases as control } from "./control.ts";
import { cases as envelopes } from "./envelopes.ts";
import { cases as exchanges } from "./exchanges.ts";
import { cases as fallback } from "./fallback.ts";
import { cases as grants } from "./grants.ts";
import { cases as keyStates } from "./key-states.ts";
import { cases as leases } from "./leases.ts";
import { cases as messages } from "./messages.ts";
import { cases as sealing } from "./sealing.ts";
import type { SpecCase } from "./vectors.ts";

/** Each family has one case for each vector of its files. */
const FAMILIES: readonly (() => readonly SpecCase[])[] = [
  control,
  envelopes,
  exchanges,
  fallback,
  grants,
  keyStates,
  leases,
  messages,
  sealing,
];

/** Every vector of docs/spec/vectors, run on the product's own readers. */
export function specCases(): readonly SpecCase[] {
  return FAMILIES.flatMap((cases) => cases());
}
