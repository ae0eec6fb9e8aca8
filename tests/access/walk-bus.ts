import { readFileSync } from "node:fs";
import type { SecuredNats } from "@scbe/testkit";
import { connect, headers, type MsgHdrs, type NatsConnection, nkeyAuthenticator } from "nats";

/** A user, and the subjects that its permissions let it publish to. */
export interface WalkingUser {
  readonly name: string;
  readonly role: string;
  readonly nkeySeedFile: string;
  readonly publish: readonly string[];
}

/** A message that a user tries, on one of its subjects or on a forbidden one. */
interface Trick {
  readonly subject: string;
  readonly reply: string;
  readonly data: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Marks the payloads of the walk. */
const WALK_MARK = "walk ";

/** Subjects that must never get an answer: stored keys, streams, broadcasts, other users' inboxes, queue subjects, the server's subjects. */
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

/** Payloads that a service or JetStream could accept as requests. */
const PAYLOADS = [
  "",
  "{",
  '{"generation":null,"v":1}',
  '{"stream":null,"v":1}',
  '{"ask":"bounds","v":1}',
  '{"ask":"batch","from":0,"last":100,"v":1}',
] as const;

/** Headers that make JetStream, KV or the server act. */
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

/** Messages on subjects of the server and of JetStream, to which no user of the bus has a right. */
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
 * Has every user publish to each of its subjects, and to those of JetStream and the server, with every reply subject, payload and
 * header of the lists above. Resolves with the number of messages, when the server has received all of them.
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
    // A user's own inbox is a legal reply subject.
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
  // The server may send a trace event to any subject to which the sender may publish: the sender could publish there itself.
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

/** The subjects that a permission covers. */
export function toPattern(cell: string): RegExp {
  const text = cell.replaceAll(/[.$]/g, "\\$&").replaceAll("*", "[^.]+").replace(/>$/, ".+");
  return new RegExp(`^${text}$`);
}

function send(connection: NatsConnection, { subject, reply, data, headers: given }: Trick): void {
  const made: MsgHdrs = headers();
  for (const [name, value] of Object.entries(given)) made.set(name, value);
  connection.publish(subject, data, { reply, ...(Object.keys(given).length > 0 && { headers: made }) });
}
