import type { Permissions } from "./permissions-of.ts";
import {
  allStores,
  type BucketStore,
  STORE_ACCOUNTS,
  STORES,
  type Store,
  type StoreAccount,
} from "./stores.ts";

/**
 * The users of a store's account: `store` are the replicas of its service, `provision` makes its buckets and streams, and `offline`, in
 * the control account alone, is the kill switch of a person without a controller.
 */
export const STORE_ROLES = ["store", "provision", "offline"] as const;
export type StoreRole = (typeof STORE_ROLES)[number];

/** A user of one store's account, before it has an nkey. */
export interface StoreUser {
  /** `<account>.<role>`: no user of the bus has a dot in its name. */
  readonly name: string;
  readonly account: StoreAccount;
  readonly role: StoreRole;
}

/** All users of all stores' accounts. */
export function storeUsers(): readonly StoreUser[] {
  return STORE_ACCOUNTS.flatMap((account) => {
    const roles = STORE_ROLES.filter((role) => role !== "offline" || account === "control");
    return roles.map((role) => ({ name: `${account}.${role}`, account, role }));
  });
}

/** The inbox of a store's user, in its own account. */
export function storeInboxPrefix({ account, role }: Pick<StoreUser, "account" | "role">): string {
  return `_INBOX.${account}.${role}`;
}

/**
 * What a user of a store's account may do there. These lists keep mistakes small, and no attacker out: a user that may ask JetStream anything can
 * have its answer published anywhere in the account.
 */
export function storePermissionsOf(user: StoreUser): Permissions {
  const stores = allStores(user.account);
  const publish = {
    store: () => stores.flatMap(publishedByOwner),
    provision: () => stores.flatMap(({ stream }) => publishedByProvisioner(stream)),
    offline: () => publishedOffline(STORES.control),
  }[user.role]();
  return { publish, subscribe: [`${storeInboxPrefix(user)}.>`] };
}

function publishedByOwner(store: Store): string[] {
  const { stream } = store;
  if (store.kind === "events")
    return [...store.subjects, `$JS.API.STREAM.INFO.${stream}`, `$JS.API.STREAM.MSG.GET.${stream}`];
  // Binding, reading, compare-and-set and watching of each key; a watch without `$JS.FC` stalls in silence.
  const ofKeys = store.keys.flatMap((key) => {
    const subject = `$KV.${store.bucket}.${key}`;
    return [
      subject,
      `$JS.API.DIRECT.GET.${stream}.${subject}`,
      `$JS.API.CONSUMER.CREATE.${stream}.*.${subject}`,
    ];
  });
  return [
    ...ofKeys,
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.CONSUMER.DELETE.${stream}.*`,
    `$JS.FC.${stream}.>`,
  ];
}

function publishedByProvisioner(stream: string): string[] {
  return ["INFO", "CREATE", "UPDATE"].map((verb) => `$JS.API.STREAM.${verb}.${stream}`);
}

/** The control document alone, and the values before it where it cannot be read. */
function publishedOffline({ stream, bucket, keys: [key] }: BucketStore): string[] {
  return [
    `$JS.API.DIRECT.GET.${stream}.$KV.${bucket}.${key}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$KV.${bucket}.${key}`,
  ];
}
