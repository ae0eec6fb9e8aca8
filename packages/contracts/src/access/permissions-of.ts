import { type ProviderSubject, SUBJECTS, subjectFor } from "../subjects.ts";
import { ACCESS, type AccessRow, type AccessTable, type Role, type SubjectKind } from "./access-table.ts";
import { checkScope, type UserScope } from "./access-user.ts";
import { allStores, type BucketStore, STORES } from "./stores.ts";

/** The permissions of one user, as nats-server's configuration takes them. */
export interface Permissions {
  readonly publish: readonly string[];
  /** Subjects; one that is followed by a queue group's name is allowed in that group only. */
  readonly subscribe: readonly string[];
  /** It may answer what it is asked, and only there, for a while. */
  readonly allowResponses: boolean;
}

/**
 * All that a user of `role` may publish and subscribe.
 * @throws ScbeError BAD_REQUEST when the name or the providers do not fit the role
 */
export function permissionsOf(role: Role, user: UserScope, table: AccessTable = ACCESS): Permissions {
  checkScope(role, user, table);
  const row = table[role];
  return {
    publish: [
      ...row.publishes.flatMap((kind) => subjectsOf(kind, user.providers)),
      ...(row.owns === undefined ? [] : publishedByOwner(STORES[row.owns])),
      ...(row.reads ?? []).flatMap((store) => publishedByReader(STORES[store].stream)),
      ...(row.provisions === true ? allStores().flatMap(({ stream }) => publishedByProvisioner(stream)) : []),
      ...(row.inspects === true ? ["$SRV.>"] : []),
    ],
    subscribe: [
      `${inboxPrefixOf(user.name)}.>`,
      ...row.subscribes.flatMap((kind) => subjectsOf(kind, user.providers)),
      ...servedBy(row, user.providers),
      ...(row.serves === undefined ? [] : announcedBy(user.name)),
    ],
    allowResponses: row.serves !== undefined,
  };
}

/** Where the answers to a user's questions go; nobody else may subscribe there. */
export function inboxPrefixOf(name: string): string {
  return `_INBOX_${name}`;
}

/** One subject for each provider, or the one that has none. */
function subjectsOf(kind: SubjectKind, providers: readonly string[]): string[] {
  return isOfProvider(kind) ? providers.map((provider) => subjectFor(kind, provider)) : [SUBJECTS[kind]];
}

/** True when the subject ends in a provider. */
export function isOfProvider(kind: SubjectKind): kind is ProviderSubject {
  return kind !== "ring" && kind !== "epoch" && kind !== "epochGet";
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

/** Binding, reading, compare-and-set and watching of one key; a watch without `$JS.FC` stalls in silence. */
function publishedByOwner({ stream, bucket, key }: BucketStore): string[] {
  const subject = `$KV.${bucket}.${key}`;
  return [
    subject,
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.DIRECT.GET.${stream}.${subject}`,
    `$JS.API.CONSUMER.CREATE.${stream}.*.${subject}`,
    `$JS.API.CONSUMER.DELETE.${stream}.*`,
    `$JS.FC.${stream}.>`,
  ];
}

/** One message at a time, into the reader's own inbox: a consumer could deliver into any subject. */
function publishedByReader(stream: string): string[] {
  return [`$JS.API.STREAM.INFO.${stream}`, `$JS.API.STREAM.MSG.GET.${stream}`];
}

function publishedByProvisioner(stream: string): string[] {
  return ["INFO", "CREATE", "UPDATE"].map((verb) => `$JS.API.STREAM.${verb}.${stream}`);
}
