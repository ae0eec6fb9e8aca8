import {
  ACCESS,
  ACCESS_WITH_FALLBACK,
  type AccessRow,
  type AccessTable,
  allStores,
  isOfProvider,
  mayAsk,
  permissionsOf,
  ROLES,
  type Role,
  STORES,
  type Store,
  SUBJECTS,
  type SubjectKind,
} from "@scbe/contracts";
import { table } from "./markdown-table.ts";

/** docs/access.md: the access table for readers. */
export function accessPage(): string {
  return [HEAD, roles(), subjects(), stores(), plumbing(), DEPUTIES].join("\n");
}

const HEAD = `<!-- Generated from the access table (packages/contracts/src/access) by \`npm run generate\`. -->
# Who may do what on the bus

Every process connects to NATS as a user of its own, by an nkey, and may do what its row says and nothing else. One table in
the code makes the server's configuration ([infra/nats](../infra/nats/README.md)), the keyring's list of askers, and this page. A
process that can do more than its row is a defect. One environment is one NATS account: nothing crosses from one to another.
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
  const kinds = Object.keys(SUBJECTS) as SubjectKind[];
  const rows = kinds.map((kind) => [
    `\`${SUBJECTS[kind]}${isOfProvider(kind) ? ".<provider>" : ""}\``,
    roleList((row) => row.publishes.includes(kind), ACCESS_WITH_FALLBACK) + onlyWithFallback(kind),
    [listeners(kind), servers(kind), keepers(kind)].filter((cell) => cell !== "").join(", "),
  ]);
  return `## Subjects

\`<provider>\` is one of the user's own providers, always the last token. A subject served in a queue group can be subscribed to in that group
only: a plain subscription beside it, which would see every request, is refused.

${table(["subject", "published by", "subscribed to by"], rows)}`;
}

function listeners(kind: SubjectKind): string {
  return roleList((row) => row.subscribes.includes(kind));
}

function servers(kind: SubjectKind): string {
  const serving = ROLES.filter((role) => ACCESS_WITH_FALLBACK[role].serves?.subjects.includes(kind));
  return serving.map((role) => `\`${role}\` in group \`${ACCESS[role].serves?.queue}\``).join(", ");
}

function keepers(kind: SubjectKind): string {
  const keeping = allStores().filter(
    (store) => store.kind === "events" && store.subjects.includes(`${SUBJECTS[kind]}.*`),
  );
  return keeping.map(({ stream }) => `stream \`${stream}\``).join(", ");
}

function onlyWithFallback(kind: SubjectKind): string {
  const isAlways = ROLES.some((role) => ACCESS[role].publishes.includes(kind));
  return isAlways ? "" : " where the deployment permits fallback, else nobody";
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
    const owners = roleList((row) => row.owns === name || row.puts === name);
    const readers = roleList(
      (row) =>
        row.looksUp?.some((read) => read === name) || (row.reads?.some((read) => read === name) ?? false),
    );
    return [`\`${store.stream}\``, store.is, contentOf(store), limitsOf(store), owners, readers];
  });
  const makers = roleList((row) => row.provisions === true);
  return `## Buckets and streams

All in file storage. ${makers} makes and updates them, and has no right to read in them; nobody can delete or purge one.

${table(["stream", "holds", "of", "limits", "read and written by", "read by"], rows)}`;
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
    const askers = askersOf(role);
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

What the server is told for each role: the subjects above, and what NATS itself needs beside them. \`_INBOX_<user>.>\` is a user's private inbox,
into which nobody else looks; \`$JS.API\`, \`$KV\` and \`$JS.FC\` are the owner's of a bucket and the reader's of a stream; \`$SRV\` announces
a service.

${sections.join("\n")}`;
}

/** The permissions of some user of that role, with words in place of its name and its provider. */
function exampleOf(role: Role) {
  const { publish, subscribe } = permissionsOf(someUser(role), []);
  const inWords = (subject: string): string =>
    subject.replaceAll(USER, "<user>").replaceAll(PROVIDER, "<provider>");
  return { publish: publish.map(inWords), subscribe: subscribe.map(inWords) };
}

function askersOf(role: Role): string[] {
  const asking = ROLES.filter((asker) => mayAsk(someUser(asker), someUser(role)));
  return asking.map(
    (asker) =>
      `\`${asker}\`${ACCESS[role].providers === "one" && asker !== "operator" ? "s of its provider" : ""}`,
  );
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

Whoever asks chooses the reply subject, and could name one that only the service may publish to; every endpoint therefore drops a
request whose reply subject is no inbox, and the server lets it answer only in the inboxes of those who may ask it. Whoever may create a JetStream consumer can have messages
delivered into any subject of the account; so only the owner of a bucket may create one, and only on its own bucket's key, readers of streams
get one message at a time into their inbox, who reads a bucket's key has no right to ask for a description of its stream, which JetStream would
store in whatever bucket or stream the asker names, who is no service of SCBE's has no right to publish into a stream, whose acknowledgement goes there as
well, and every endpoint takes the provider from a message's subject only after that
subject matched its own.

Whoever may create or update a stream says which subjects it records, and on newer servers to where they are published again:
\`provision\` could have any message of the account recorded, and read it, alone or with \`operator\`. So its seed is as good as the server's own: keep it
where deployments are made, use it for the moment of provisioning, and run provisioning again after it has been anywhere else. It
sets back what was changed and refuses a stream that hands its messages on.
`;
