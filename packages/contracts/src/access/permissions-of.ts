import { isOfProvider, SUBJECTS, subjectFor } from "../subjects.ts";
import { ACCESS, type AccessRow, type AccessTable, type Role, type SubjectKind } from "./access-table.ts";
import { checkScope, type UserScope } from "./access-user.ts";
import { allStores, type BucketStore, STORES } from "./stores.ts";

/** The permissions of one user, as nats-server's configuration takes them. */
export interface Permissions {
  readonly publish: readonly string[];
  /** Subjects; one that is followed by a queue group's name is allowed in that group only. */
  readonly subscribe: readonly string[];
}

/** A user as far as permissions depend on it. */
export interface RoleUser extends UserScope {
  readonly role: Role;
}

/**
 * All that a user may publish and subscribe. A user that serves may answer in the inboxes of those who may ask it, and
 * nowhere else (docs/adr/0008).
 * @param users all users of the bus
 * @throws ScbeError BAD_REQUEST when the name or the providers do not fit the role
 */
export function permissionsOf(
  user: RoleUser,
  users: readonly RoleUser[],
  table: AccessTable = ACCESS,
): Permissions {
  checkScope(user.role, user, table);
  const row = table[user.role];
  const askers = users.filter((asker) => mayAsk(asker, user, table));
  return {
    publish: [
      ...row.publishes.flatMap((kind) => subjectsOf(kind, user.providers)),
      ...askers.map(inboxOf),
      ...(row.owns === undefined ? [] : publishedByOwner(STORES[row.owns])),
      ...(row.looksUp ?? []).flatMap((store) => publishedByLookup(STORES[store])),
      ...(row.puts === undefined ? [] : [`$KV.${STORES[row.puts].bucket}.${STORES[row.puts].keys[0]}`]),
      ...(row.reads ?? []).flatMap((store) => publishedByReader(STORES[store].stream)),
      ...(row.provisions === true ? allStores().flatMap(({ stream }) => publishedByProvisioner(stream)) : []),
      ...(row.inspects === true ? ["$SRV.>"] : []),
    ],
    subscribe: [
      inboxOf(user),
      ...row.subscribes.flatMap((kind) => subjectsOf(kind, user.providers)),
      ...servedBy(row, user.providers),
      ...(row.serves === undefined ? [] : announcedBy(user.name)),
    ],
  };
}

/** True when `asker` may ask something that `server` answers: one of its subjects, of a provider of both, or `$SRV`. */
export function mayAsk(asker: RoleUser, server: RoleUser, table: AccessTable = ACCESS): boolean {
  const { serves } = table[server.role];
  if (serves === undefined) return false;
  const { publishes, inspects } = table[asker.role];
  const shared = asker.providers.some((provider) => server.providers.includes(provider));
  const asks = serves.subjects.some((kind) => publishes.includes(kind) && (shared || !isOfProvider(kind)));
  return asks || inspects === true;
}

function inboxOf({ name }: UserScope): string {
  return `${inboxPrefixOf(name)}.>`;
}

/** Where the answers to a user's questions go; nobody else may subscribe there. */
export function inboxPrefixOf(name: string): string {
  return `_INBOX_${name}`;
}

/** One subject for each provider, or the one that has none. */
function subjectsOf(kind: SubjectKind, providers: readonly string[]): string[] {
  return isOfProvider(kind) ? providers.map((provider) => subjectFor(kind, provider)) : [SUBJECTS[kind]];
}

/** A service for every provider has one subscription for all of them, a gateway one for its own. */
function servedBy({ serves, providers: scope }: AccessRow, providers: readonly string[]): string[] {
  if (serves === undefined) return [];
  return serves.subjects
    .flatMap((kind) =>
      scope === "every" && isOfProvider(kind) ? [`${SUBJECTS[kind]}.*`] : subjectsOf(kind, providers),
    )
    .map((subject) => `${subject} ${serves.queue}`);
}

/** The NATS services framework (ADR-32): every service hears questions to all, to its name, and to its id. */
function announcedBy(name: string): string[] {
  return ["PING", "INFO", "STATS"].flatMap((verb) => [
    `$SRV.${verb}`,
    `$SRV.${verb}.${name}`,
    `$SRV.${verb}.${name}.*`,
  ]);
}

/** Binding, reading, compare-and-set and watching of each key; a watch without `$JS.FC` stalls in silence. */
function publishedByOwner({ stream, bucket, keys }: BucketStore): string[] {
  const ofKeys = keys.flatMap((key) => {
    const subject = `$KV.${bucket}.${key}`;
    return [
      subject,
      `$JS.API.DIRECT.GET.${stream}.${subject}`,
      `$JS.API.CONSUMER.CREATE.${stream}.*.${subject}`,
    ];
  });
  return [
    ...ofKeys,
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.CONSUMER.DELETE.${stream}.*`,
    `$JS.FC.${stream}.>`,
  ];
}

/**
 * Reading the first key. No watch: whoever may create a consumer can have JetStream deliver into any subject. And no description of the stream: it
 * comes wherever the asker says, with the server's own rights, and is stored there if that is the subject of a bucket or a stream.
 */
function publishedByLookup({ stream, bucket, keys: [key] }: BucketStore): string[] {
  return [`$JS.API.DIRECT.GET.${stream}.$KV.${bucket}.${key}`];
}

/** One message at a time, into the reader's own inbox: a consumer could deliver into any subject. */
function publishedByReader(stream: string): string[] {
  return [`$JS.API.STREAM.INFO.${stream}`, `$JS.API.STREAM.MSG.GET.${stream}`];
}

function publishedByProvisioner(stream: string): string[] {
  return ["INFO", "CREATE", "UPDATE"].map((verb) => `$JS.API.STREAM.${verb}.${stream}`);
}
