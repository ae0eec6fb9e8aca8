import { readFileSync } from "node:fs";
import type { SecuredNats } from "@scbe/testkit";
import { connect, headers, type MsgHdrs, type NatsConnection, nkeyAuthenticator } from "nats";

/** One user, and the subjects that the server lets it publish to, as its configuration has them. */
export interface WalkingUser {
  readonly name: string;
  readonly role: string;
  readonly nkeySeedFile: string;
  readonly publish: readonly string[];
}

/** What a user tries with one of its subjects, or with one that it has no right to. */
interface Trick {
  readonly subject: string;
  readonly reply: string;
  readonly data: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Begins every payload of the walk, so that what it published itself is known again. */
export const WALK_MARK = "walk ";

/** Where an answer must never arrive: stored keys, streams, broadcasts, other users' inboxes, queue subjects, the server's own. */
export const TARGETS = [
  "$KV.SCBE_KEYRING.ring",
  "$KV.SCBE_REPLAY.epoch",
  "$KV.SCBE_CONTROL.state",
  "$KV.SCBE_CONTROL.leader",
  "$KV.SCBE_TRUST.document",
  "scbe.v1.security.nonce_reuse.openai",
  "scbe.v1.audit",
  "scbe.v1.outcome.orchestrator.openai",
  "scbe.v1.control.state",
  "scbe.v1.cancel.openai",
  "_INBOX.orchestrator.walk-victim.answer",
  "_INBOX.rollback-controller.rollback-controller.answer",
  "_INBOX.keyring.keyring.answer",
  "scbe.v1.request.walk-victim.openai",
  "scbe.v1.keyring.grant.walk-victim.openai",
  "$SRV.PING",
  "$SYS.REQ.SERVER.PING",
  "$JS.API.STREAM.PURGE.KV_SCBE_KEYRING",
] as const;

/** Requests that a service or JetStream may take for one of its own. */
const PAYLOADS = [
  "",
  "{",
  '{"generation":null,"v":1}',
  '{"stream":null,"v":1}',
  '{"ask":"bounds","v":1}',
  '{"ask":"batch","from":0,"last":100,"v":1}',
] as const;

/** Headers by which JetStream, KV or the server itself acts. */
const HEADERS: readonly ((target: string) => Readonly<Record<string, string>>)[] = [
  () => ({}),
  () => ({ "Nats-Rollup": "all", "Nats-Msg-Id": "walk" }),
  () => ({ "KV-Operation": "PURGE", "Nats-Rollup": "sub" }),
  () => ({ "Nats-Expected-Last-Sequence": "999999" }),
  () => ({ "Nats-Expected-Stream": "ANOTHER" }),
  (target) => ({ "Nats-Trace-Dest": target, "Nats-Trace-Only": "true" }),
];

const STREAMS = [
  "KV_SCBE_KEYRING",
  "KV_SCBE_REPLAY",
  "KV_SCBE_CONTROL",
  "KV_SCBE_TRUST",
  "SCBE_SECURITY",
  "SCBE_AUDIT",
  "SCBE_TRUST_EVENTS",
] as const;

/** Subjects of the server and of JetStream, which no user of the bus has. */
function foreignTricks(target: string): Trick[] {
  const plain = { reply: target, headers: {} };
  const consumer = (stream: string) =>
    JSON.stringify({ stream_name: stream, config: { deliver_subject: target, ack_policy: "none" } });
  return [
    ...STREAMS.flatMap((stream) => [
      { ...plain, subject: `$JS.API.DIRECT.GET.${stream}`, data: '{"seq":"no number"}' },
      {
        ...plain,
        subject: `$JS.API.DIRECT.GET.${stream}.$KV.${stream.slice(3)}.ring`,
        data: '{"seq":"no number"}',
      },
      { ...plain, subject: `$JS.API.STREAM.INFO.${stream}`, data: "" },
      { ...plain, subject: `$JS.API.STREAM.MSG.GET.${stream}`, data: '{"seq":1}' },
      { ...plain, subject: `$JS.API.STREAM.DELETE.${stream}`, data: "" },
      { ...plain, subject: `$JS.API.STREAM.PURGE.${stream}`, data: "" },
      { ...plain, subject: `$JS.API.CONSUMER.CREATE.${stream}`, data: consumer(stream) },
      { ...plain, subject: `$JS.API.CONSUMER.CREATE.${stream}.thief`, data: consumer(stream) },
    ]),
    ...[
      "$JS.API.INFO",
      "$SYS.REQ.ACCOUNT.PING.CONNZ",
      "$SYS.REQ.ACCOUNT.PING.STATZ",
      "$SYS.REQ.USER.INFO",
    ].map((subject) => ({ ...plain, subject, data: "" })),
    ...["$SRV.PING", "$SRV.INFO", "$SRV.STATS", "$SRV.PING.keyring", "$SRV.PING.rollback-controller"].map(
      (subject) => ({ ...plain, subject, data: "" }),
    ),
    ...["$KV.SCBE_KEYRING.ring", "$KV.SCBE_CONTROL.state", "scbe.v1.audit"].map((subject) => ({
      ...plain,
      subject,
      data: WALK_MARK,
    })),
  ];
}

/**
 * Has every user publish to every subject that it may, and to every one of JetStream's and the server's, with every reply subject, payload and
 * header of the lists above. Resolves with the number of messages that were sent, when the server has seen all of them.
 */
export async function walkBus(
  nats: Pick<SecuredNats, "url">,
  users: readonly WalkingUser[],
): Promise<number> {
  let sent = 0;
  for (const user of users) {
    const connection = await connect({
      servers: nats.url,
      name: user.name,
      inboxPrefix: `_INBOX.${user.role}.${user.name}`,
      reconnect: false,
      authenticator: nkeyAuthenticator(readFileSync(user.nkeySeedFile)),
    });
    // Into its own inbox every user may have its answers.
    const foreign = TARGETS.filter((target) => !target.startsWith(`_INBOX.${user.role}.${user.name}.`));
    for (const target of foreign) {
      const tricks = [...ownTricks(user, target), ...foreignTricks(target)];
      for (const trick of tricks) send(connection, trick);
      sent += tricks.length;
      await connection.flush();
    }
    await connection.close();
  }
  return sent;
}

function ownTricks({ publish }: WalkingUser, target: string): Trick[] {
  // A server may tell of a message on any subject on which its sender may publish: the sender could say the same there itself.
  const mayPublish = publish.some((cell) => toPattern(cell).test(target));
  const made = HEADERS.slice(1).map((make) => make(target));
  const headers = made.filter((given) => !mayPublish || !("Nats-Trace-Dest" in given));
  return publish.flatMap((cell) => {
    const subject = cell.replaceAll("*", "walk").replace(/>$/, "walk");
    const plain = PAYLOADS.map((data) => ({ subject, reply: target, data, headers: {} }));
    return [
      ...plain,
      ...headers.map((given) => ({ subject, reply: target, data: WALK_MARK, headers: given })),
    ];
  });
}

/** What a subject of a permission covers. */
export function toPattern(cell: string): RegExp {
  const text = cell.replaceAll(/[.$]/g, "\\$&").replaceAll("*", "[^.]+").replace(/>$/, ".+");
  return new RegExp(`^${text}$`);
}

function send(connection: NatsConnection, { subject, reply, data, headers: given }: Trick): void {
  const made: MsgHdrs = headers();
  for (const [name, value] of Object.entries(given)) made.set(name, value);
  connection.publish(subject, data, { reply, ...(Object.keys(given).length > 0 && { headers: made }) });
}
