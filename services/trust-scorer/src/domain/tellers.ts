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

/** By provider, the users that may report outcomes of it. */
export type Tellers = ReadonlyMap<string, ReadonlySet<string>>;

/** The most rows of tellers in a state, over all providers. */
export const ROWS_MAX = 256;

/** The tellers of each provider among the users of a deployment: those whose role may report outcomes. */
export function tellersAmong(
  users: readonly Pick<AccessUser, "name" | "role" | "providers">[],
  providers: readonly string[],
  table: AccessTable = ACCESS,
): Tellers {
  const reporting = users.filter(({ role }) => table[role].publishes.includes("trustTell"));
  return new Map(
    providers.map((provider) => {
      const own = reporting.filter((user) => user.providers.includes(provider));
      return [provider, new Set(own.map(({ name }) => name))];
    }),
  );
}

/** Whether a user may report outcomes of this provider. Without any teller every user may: an empty list is more likely a mistake than a deployment without traffic. */
export function isTeller(tellers: Tellers, provider: string, user: string): boolean {
  const own = tellers.get(provider);
  return own === undefined || own.size === 0 || own.has(user);
}

/**
 * The state for these tellers: sets the quorum of each of their providers, and removes the rows of former tellers. A latch for all stays in
 * force even if its tellers or the quorum have changed; a smaller quorum can put one in force. Other providers do not change. Returns the
 * same object if nothing changes.
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
  // An empty list is taken for a mistake, as in isTeller.
  const left = tellers.size === 0 ? rows : rows.filter(([teller]) => tellers.has(teller));
  const isSame =
    left.length === rows.length && quorum.needs === trust.quorum.needs && quorum.of === trust.quorum.of;
  return isSame ? trust : latchForAll({ ...trust, quorum, tellers: Object.fromEntries(left) });
}

/**
 * Removes the least informative row if there is one too many: rows without evidence first, then the one with the oldest last report. The row
 * of `kept` stays.
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
        Number(hasEvidence(one)) - Number(hasEvidence(other)) ||
        one.row.at - other.row.at ||
        (rememberedAs(one.provider, one.teller) < rememberedAs(other.provider, other.teller) ? -1 : 1),
    );
  if (least === undefined) return state;
  const { provider, teller, trust } = least;
  const { [teller]: _, ...tellers } = trust.tellers;
  const providers = { ...state.providers, [provider]: { ...trust, tellers } };
  return forgotten({ ...state, providers }, rememberedAs(provider, teller));
}

function hasEvidence({ trust, row }: { readonly trust: ProviderTrust; readonly row: TellerTrust }): boolean {
  return row.latch !== null || row.exclusions > 0 || row.w !== startingEvidence(trust);
}

function forgotten(state: TrustState, key: string): TrustState {
  const { [key]: _, ...recent } = state.recent;
  return { ...state, recent };
}
