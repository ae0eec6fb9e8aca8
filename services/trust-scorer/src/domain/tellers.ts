import {
  ACCESS,
  type AccessTable,
  type AccessUser,
  CONTROL_PROVIDERS_MAX,
  type ProviderTrust,
  quorumOf,
  startingEvidence,
  type TellerTrust,
  trustIn,
} from "@scbe/contracts";
import { latchForAll } from "./latch.ts";
import { rememberedAs, type TrustState } from "./trust-state.ts";

/** By provider, the users that may tell of it. */
export type Tellers = ReadonlyMap<string, ReadonlySet<string>>;

/** Rows of tellers that a state has, of all providers together. */
export const ROWS_MAX = 256;

/** The tellers of each provider among the users of a deployment: those whose role may tell. */
export function tellersAmong(
  users: readonly Pick<AccessUser, "name" | "role" | "providers">[],
  providers: readonly string[],
  table: AccessTable = ACCESS,
): Tellers {
  const telling = users.filter(({ role }) => table[role].publishes.includes("trustTell"));
  return new Map(
    providers.map((provider) => {
      const own = telling.filter((user) => user.providers.includes(provider));
      return [provider, new Set(own.map(({ name }) => name))];
    }),
  );
}

/** True for a user that may tell of this provider. A list without any teller is more likely a mistake than a deployment that sends nothing. */
export function isTeller(tellers: Tellers, provider: string, user: string): boolean {
  const own = tellers.get(provider);
  return own === undefined || own.size === 0 || own.has(user);
}

/**
 * The state for these tellers: each of their providers has its quorum, and rows of users that are tellers no more are forgotten. A latch that is
 * in force stays so, also when its tellers or the quorum have changed since; a smaller quorum may put one in force. Providers that it is not told of
 * stay as they are. The same object: nothing changes.
 */
export function withTellers(state: TrustState, tellers: Tellers): TrustState {
  let next = state;
  for (const [provider, own] of tellers) {
    const isKnown = Object.hasOwn(state.providers, provider);
    if (!isKnown && Object.keys(next.providers).length >= CONTROL_PROVIDERS_MAX) continue;
    const before = trustIn(state, provider);
    const after = ofTellers(before, own);
    if (isKnown && after === before) continue;
    next = { ...next, providers: { ...next.providers, [provider]: after } };
    for (const teller of Object.keys(before.tellers)) {
      if (!Object.hasOwn(after.tellers, teller)) next = forgotten(next, rememberedAs(provider, teller));
    }
  }
  return next;
}

function ofTellers(trust: ProviderTrust, tellers: ReadonlySet<string>): ProviderTrust {
  const quorum = { needs: quorumOf(tellers.size), of: tellers.size };
  const rows = Object.entries(trust.tellers);
  // As in isTeller.
  const left = tellers.size === 0 ? rows : rows.filter(([teller]) => tellers.has(teller));
  const isSame =
    left.length === rows.length && quorum.needs === trust.quorum.needs && quorum.of === trust.quorum.of;
  return isSame ? trust : latchForAll({ ...trust, quorum, tellers: Object.fromEntries(left) });
}

/**
 * Without the row that says least, where there is one too many: one without evidence before one with evidence, then the one whose last report is the oldest. The
 * row of `kept` stays.
 */
export function withRoom(
  state: TrustState,
  kept: { readonly provider: string; readonly teller: string },
): TrustState {
  const rows = Object.entries(state.providers).flatMap(([provider, trust]) =>
    Object.entries(trust.tellers).map(([teller, row]) => ({ provider, teller, trust, row })),
  );
  if (rows.length <= ROWS_MAX) return state;
  const [least] = rows
    .filter(({ provider, teller }) => provider !== kept.provider || teller !== kept.teller)
    .toSorted(
      (one, other) =>
        Number(saysSomething(one)) - Number(saysSomething(other)) ||
        one.row.at - other.row.at ||
        (rememberedAs(one.provider, one.teller) < rememberedAs(other.provider, other.teller) ? -1 : 1),
    );
  if (least === undefined) return state;
  const { provider, teller, trust } = least;
  const { [teller]: _, ...tellers } = trust.tellers;
  const providers = { ...state.providers, [provider]: { ...trust, tellers } };
  return forgotten({ ...state, providers }, rememberedAs(provider, teller));
}

function saysSomething({
  trust,
  row,
}: {
  readonly trust: ProviderTrust;
  readonly row: TellerTrust;
}): boolean {
  return row.latch !== null || row.exclusions > 0 || row.w !== startingEvidence(trust);
}

function forgotten(state: TrustState, key: string): TrustState {
  const { [key]: _, ...recent } = state.recent;
  return { ...state, recent };
}
