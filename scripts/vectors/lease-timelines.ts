import { documentOf, flagging, jcs, KILL, killing, signed } from "./control-reference.ts";
import { fixed, REQUEST_ID, TS } from "./fixed.ts";
import { base64url } from "./reference.ts";

const LEASE_MS = 5000;
const [DOCUMENT, KILLED] = [documentOf(), documentOf({ generation: TS + 1, ...killing(KILL) })];
const OFF = documentOf({ generation: TS + 1, ...flagging(false) });
const nonceOf = (label: string): string => base64url(fixed(`timeline ${label}`, 16));

type Event = { readonly at: number } & Readonly<Record<string, unknown>>;

const arrives = (at: number, { message }: typeof DOCUMENT): Event => ({ at, document: message });
const asks = (at: number, label: string): Event => ({ at, asks: nonceOf(label) });
const answers = (at: number, label: string, outcome: string, document = DOCUMENT, bring = false): Event => {
  const { generation, digest } = document;
  const answer = signed(jcs({ nonce: nonceOf(label), generation, digest }), { kind: "lease" });
  const message = jcs({ ...answer, ...(bring && { state: document.signed }) });
  return { at, answers: nonceOf(label), message, outcome };
};

const GOES = { stale: false, route: "sealed", response: true };
const UNKNOWN = { stale: true, route: "refused", why: "unknown", response: false };
const HOLDS = { stale: true, route: "sealed", response: true };
const STALE = { stale: true, route: "refused", why: "stale", response: false };
const DEAD = { stale: false, route: "refused", why: "kill_switch", response: false };
const looks = (at: number, expect: object): Event => ({ at, expect });

/** What one reader receives and requests, at times of its monotonic clock, and its state then. */
export function timelines(): object[] {
  return [
    timeline("before the first lease", "LT5", "hold", [
      looks(0, UNKNOWN),
      arrives(1, DOCUMENT),
      looks(2, UNKNOWN),
      asks(3, "a"),
      looks(4, UNKNOWN),
      answers(5, "a", "granted"),
      looks(6, GOES),
    ]),
    timeline("before the first lease nothing is sealed, also by one that refuses", "LT5", "refuse", [
      arrives(1, DOCUMENT),
      looks(2, UNKNOWN),
    ]),
    timeline("the answer brings the document", "LT5", "hold", [
      asks(0, "a"),
      answers(5, "a", "granted", DOCUMENT, true),
      looks(6, GOES),
    ]),
    timeline("from the moment of asking", "LT2", "refuse", [
      arrives(0, DOCUMENT),
      asks(1000, "a"),
      answers(5000, "a", "granted"),
      looks(5999, GOES),
      looks(6000, STALE),
    ]),
    timeline("its last ms, and its end", "LT3", "refuse", [
      arrives(0, DOCUMENT),
      asks(0, "a"),
      answers(0, "a", "granted"),
      looks(4999, GOES),
      looks(5000, STALE),
    ]),
    timeline("an answer 1 ms before the lease time is over", "LT1", "hold", [
      arrives(0, DOCUMENT),
      asks(10, "a"),
      answers(5009, "a", "granted"),
      looks(5009, GOES),
    ]),
    timeline("an answer when the lease time is over", "LT1", "hold", [
      arrives(0, DOCUMENT),
      asks(10, "a"),
      answers(5010, "a", "late"),
      looks(5010, UNKNOWN),
    ]),
    timeline(
      "an answer when the lease time is over, which names another document (order)",
      "LA14 LT1",
      "hold",
      [
        arrives(0, DOCUMENT),
        asks(10, "a"),
        arrives(20, KILLED),
        answers(5010, "a", "other"),
        looks(5010, UNKNOWN),
      ],
    ),
    timeline("asked again: from the first asking", "LT10", "refuse", [
      arrives(0, DOCUMENT),
      asks(0, "a"),
      asks(250, "a"),
      answers(251, "a", "granted"),
      looks(4999, GOES),
      looks(5000, STALE),
    ]),
    timeline("asked again: the lease time is over, which is counted from the first asking", "LT10", "hold", [
      arrives(0, DOCUMENT),
      asks(0, "a"),
      asks(250, "a"),
      answers(5000, "a", "late"),
      looks(5000, UNKNOWN),
    ]),
    timeline("the answer to an earlier question comes later", "LT4", "refuse", [
      arrives(0, DOCUMENT),
      asks(0, "a"),
      asks(2000, "b"),
      answers(2100, "b", "granted"),
      answers(2200, "a", "granted"),
      looks(6999, GOES),
      looks(7000, STALE),
    ]),
    timeline("a later lease takes the place of an earlier one", "LT4", "refuse", [
      arrives(0, DOCUMENT),
      asks(0, "a"),
      answers(1, "a", "granted"),
      asks(2000, "b"),
      answers(2001, "b", "granted"),
      looks(6999, GOES),
      looks(7000, STALE),
    ]),
    timeline("a kill arrives while a lease stands", "LT6", "refuse", [
      arrives(0, DOCUMENT),
      asks(0, "a"),
      answers(1, "a", "granted"),
      arrives(2, KILLED),
      looks(3, DEAD),
    ]),
    timeline("a document that a lease did not name is obeyed while that lease stands", "LT6", "refuse", [
      arrives(0, DOCUMENT),
      asks(0, "a"),
      answers(1, "a", "granted"),
      arrives(2, OFF),
      looks(3, { stale: false, route: "refused", why: "flag", response: true }),
      looks(4999, { stale: false, route: "refused", why: "flag", response: true }),
      looks(5000, STALE),
    ]),
    timeline("a stale reader that holds goes on", "LT7", "hold", [
      arrives(0, DOCUMENT),
      asks(0, "a"),
      answers(1, "a", "granted"),
      looks(5000, HOLDS),
      looks(1_000_000, HOLDS),
      arrives(1_000_001, KILLED),
      looks(1_000_002, { ...DEAD, stale: true }),
    ]),
    timeline("a stale reader that refuses, and its next lease", "LT8", "refuse", [
      arrives(0, DOCUMENT),
      asks(0, "a"),
      answers(1, "a", "granted"),
      looks(5000, STALE),
      arrives(5001, OFF),
      looks(5002, STALE),
    ]),
    timeline("the next lease", "LT9", "refuse", [
      arrives(0, DOCUMENT),
      asks(0, "a"),
      answers(1, "a", "granted"),
      looks(5000, STALE),
      asks(6000, "b"),
      looks(6001, STALE),
      answers(6002, "b", "granted"),
      looks(6003, GOES),
      looks(10_999, GOES),
      looks(11_000, STALE),
    ]),
    timeline("a lease that names another document than is held", "LA14", "refuse", [
      arrives(0, DOCUMENT),
      asks(0, "a"),
      arrives(1, KILLED),
      answers(2, "a", "other"),
      looks(3, UNKNOWN),
      asks(4, "b"),
      answers(5, "b", "granted", KILLED),
      looks(6, DEAD),
    ]),
    timeline("a lease that brings a kill, after its time", "LA13", "hold", [
      arrives(0, DOCUMENT),
      asks(0, "a"),
      answers(1, "a", "granted"),
      asks(2500, "b"),
      answers(7500, "b", "late", KILLED, true),
      looks(7500, { ...DEAD, stale: true }),
    ]),
  ];
}

function timeline(name: string, rule: string, policy: string, events: readonly Event[]): object {
  const asked = { provider: "openai", request_id: REQUEST_ID };
  return { name, rules: rule.split(" "), lease_ms: LEASE_MS, policy, ...asked, events };
}
