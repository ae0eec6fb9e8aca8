import {
  ACCESS,
  ACCESS_WITH_FALLBACK,
  type AccessRow,
  type AccessTable,
  BUCKET_HISTORY,
  permissionsOf,
  ROLES,
  type Role,
  rolesAsking,
  STORES,
  type Store,
  SUBJECTS,
  type SubjectKind,
  storePermissionsOf,
  storeUsers,
  tokensIn,
} from "@scbe/contracts";
import { table } from "./markdown-table.ts";

/** docs/access.md: the access table. */
export function accessPage(): string {
  return [HEAD, roles(), subjects(), stores(), plumbing(), DEPUTIES].join("\n");
}

const HEAD = `<!-- Generated from the access table (packages/contracts/src/access) by \`npm run generate\`. -->
# Permissions on the bus

Every process connects to NATS as a user of its own, by an nkey, and may do what its row says and nothing else. One table in
the code makes the server's configuration ([infra/nats](../infra/nats/README.md)), the list of users, and this page. A
process that can do more than its row is a defect. One environment has accounts of its own: nothing crosses from one to another.
`;

function roles(): string {
  const rows = ROLES.map((role) => {
    const { is, providers, serves } = ACCESS[role];
    return [`\`${role}\``, is, SCOPES[providers], serves === undefined ? "" : `\`${serves.queue}\``];
  });
  return `## Users\n\n${table(["role", "is", "providers", "queue group"], rows)}`;
}

const SCOPES: Readonly<Record<AccessRow["providers"], string>> = {
  every: "all of the deployment",
  some: "those it is given",
  one: "exactly one",
  none: "none",
};

function subjects(): string {
  const kinds = (Object.keys(SUBJECTS) as SubjectKind[]).filter((kind) => !STORED_ONLY.includes(kind));
  const rows = kinds.map((kind) => [
    `\`${[SUBJECTS[kind], ...tokensIn(kind).map((token) => `<${token}>`)].join(".")}\``,
    roleList((row) => row.publishes.includes(kind), ACCESS_WITH_FALLBACK) + onlyWithFallback(kind),
    [listeners(kind), servers(kind)].filter((cell) => cell !== "").join(", "),
  ]);
  return `## Subjects

\`<user>\` is the user itself, which its permission binds: so a service knows the requesting user. \`<provider>\` is one of the user's own providers, \`<intent>\` one
of its intents. A subject served in a queue group can be subscribed to in that group
only: a plain subscription beside it, which would see every request, is refused.

${table(["subject", "published by", "subscribed to by"], rows)}`;
}

/** Subjects of streams, which exist only in the account of a store. */
const STORED_ONLY: readonly SubjectKind[] = ["audit", "outcome", "trustReuse"];

function listeners(kind: SubjectKind): string {
  return roleList((row) => row.subscribes.includes(kind));
}

function servers(kind: SubjectKind): string {
  const serving = ROLES.filter((role) => ACCESS_WITH_FALLBACK[role].serves?.subjects.includes(kind));
  return serving.map((role) => `\`${role}\` in group \`${ACCESS[role].serves?.queue}\``).join(", ");
}

function onlyWithFallback(kind: SubjectKind): string {
  const isAlways = ROLES.some((role) => ACCESS[role].publishes.includes(kind));
  return isAlways ? "" : " where the deployment permits fallback, otherwise no role";
}

function roleList(has: (row: AccessRow) => boolean, access: AccessTable = ACCESS): string {
  return ROLES.filter((role) => has(access[role]))
    .map((role) => `\`${role}\``)
    .join(", ");
}

function stores(): string {
  const names = Object.keys(STORES) as (keyof typeof STORES)[];
  const rows = names.map((name) => {
    const store: Store = STORES[name];
    const owner = roleList((row) => row.keeps === store.account);
    return [
      `\`${store.stream}\``,
      store.is,
      contentOf(store),
      limitsOf(store),
      `\`${store.account}\``,
      owner,
    ];
  });
  return `## Accounts, buckets and streams

The bus's account has no JetStream. Each service that keeps state has an account of its own for it, with no other users than these: the service's replicas
(\`<account>.store\`), the user of provisioning (\`<account>.provision\`), and in \`control\` the offline kill switch (\`control.offline\`). Other
processes get that state from its owner over the bus. All of it is in file storage; a bucket keeps the last ${BUCKET_HISTORY} values of each key.

${table(["stream", "holds", "of", "limits", "account", "service"], rows)}`;
}

function contentOf(store: Store): string {
  return store.kind === "bucket"
    ? `bucket \`${store.bucket}\`, ${store.keys.length === 1 ? "key" : "keys"} ${store.keys.map((key) => `\`${key}\``).join(", ")}`
    : `${store.subjects.length === 1 ? "subject" : "subjects"} ${store.subjects.map((subject) => `\`${subject}\``).join(", ")}`;
}

function limitsOf(store: Store): string {
  const total = `${store.maxBytes / KIB} KiB`;
  if (store.kind === "bucket") return `${total}, a value ${store.maxValueBytes / KIB} KiB`;
  const each = store.messagesPerSubjectMax === -1 ? "" : `, ${store.messagesPerSubjectMax} of each subject`;
  const age = store.maxAgeMs === 0 ? "" : `, ${store.maxAgeMs / DAY_MS} days`;
  return `${total}, a message ${store.maxMessageBytes / KIB} KiB${each}${age}`;
}

const KIB = 1024;
const DAY_MS = 86_400_000;

function plumbing(): string {
  const sections = ROLES.map((role) => {
    const { publish, subscribe } = exampleOf(role);
    const askers = rolesAsking(role).map((asker) => `\`${asker}\``);
    return [
      `### ${role}`,
      "",
      `- publishes: ${code(publish)}`,
      `- subscribes: ${code(subscribe)}`,
      ...(askers.length > 0 ? [`- answers: in the inboxes of ${askers.join(", ")}`] : []),
      "",
    ].join("\n");
  });
  return `## All permissions, with the plumbing

What the server is told for each role: the subjects above, and what NATS itself needs beside them. \`_INBOX.<role>.<user>.>\` is a user's private inbox,
to which no other user can subscribe; \`$SRV\` announces a service.

${sections.join("\n")}
### in the accounts of stores

${storeUsers()
  .map((user) => `- \`${user.name}\` publishes ${code(storePermissionsOf(user).publish)}`)
  .join("\n")}
`;
}

/** The permissions of a user of that role, with placeholders for its name and its provider. */
function exampleOf(role: Role) {
  const { publish, subscribe } = permissionsOf(someUser(role));
  const inWords = (subject: string): string =>
    subject.replaceAll(USER, "<user>").replaceAll(PROVIDER, "<provider>");
  return { publish: publish.map(inWords), subscribe: subscribe.map(inWords) };
}

function someUser(role: Role) {
  return { role, name: USER, providers: ACCESS[role].providers === "none" ? [] : [PROVIDER] };
}

const USER = "a-user-of-this-role";
const PROVIDER = "a-provider";

function code(subjects: readonly string[]): string {
  return subjects.length === 0 ? "nothing" : subjects.map((subject) => `\`${subject}\``).join(", ");
}

const DEPUTIES = `## What permissions cannot say

A requester chooses the reply subject, and the answer is published to it with the rights of the answering process. Every endpoint therefore drops a request whose
reply is not in the requester's own inbox, and a service may publish only in the inboxes of the roles that may send requests to it. JetStream
answers with the rights of the server itself, so no user of the bus may reach it, and the bus's account has none. Within a store's
account every user could make it write anything, so the account has no users but the service's.

\`provision\` of an account decides what its streams record. Keep its seed where deployments are made, and run provisioning again after it has been in any other
place: it resets changes, and refuses a stream that republishes its messages.
`;
