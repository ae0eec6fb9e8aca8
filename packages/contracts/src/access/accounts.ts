import type { Environment } from "../names.ts";
import { allStores, STORE_ACCOUNTS, type StoreAccount } from "./stores.ts";

/** One account of a deployment, as every rendering of the access table makes it. */
export interface Account {
  readonly name: string;
  /** The store that it is for; absent: it is the bus, which has no JetStream. */
  readonly store?: StoreAccount;
  readonly jetstream?: JetStreamLimits;
}

/** Memory storage is for no stream at all: every store is in files. */
export interface JetStreamLimits {
  readonly streams: number;
  readonly consumers: number;
}

/** Watches of all replicas of one service, with room for those that a broken link left behind. */
const CONSUMERS_MAX = 256;

/** The accounts of an environment: the bus, then one for each service with state. */
export function accountsOf(env: Environment): readonly Account[] {
  const stores = STORE_ACCOUNTS.map((store) => ({
    name: storeAccount(env, store),
    store,
    jetstream: { streams: allStores(store).length, consumers: CONSUMERS_MAX },
  }));
  return [{ name: busAccount(env) }, ...stores];
}

/** The name of the bus's account. */
export function busAccount(env: Environment): string {
  return `SCBE_${env.toUpperCase()}`;
}

/** The name of a store's account. */
export function storeAccount(env: Environment, account: StoreAccount): string {
  return `${busAccount(env)}_${account.toUpperCase()}`;
}
