import { EPOCH, fixed, MINUTE, make, sessionIdOf } from "./fixed.ts";
import { admitItem, type Rules, ruleList } from "./situations.ts";

const VERDICTS = ["fresh", "replay", "reuse", "refused"] as const;
type Verdict = (typeof VERDICTS)[number];

/** Admit requests on the bus, their replies, and the verdicts of a guard. */
export function admissions() {
  const made = [
    make(),
    make({ counter: 2 ** 32 - 1 }),
    make({ sessionId: sessionIdOf("other"), counter: 7 }),
  ];
  const items = made.map((envelope, index) => itemOf(envelope, fixed(`attempt ${index}`, 16)));
  const data = items.map(({ item }) => item).join("");
  const answer = (
    name: string,
    rules: Rules,
    count: number,
    bytes: string,
    verdicts: readonly Verdict[],
  ) => ({
    name,
    rules: ruleList(rules),
    count,
    data: bytes,
    verdicts,
  });
  return {
    batches: [
      { name: "one item", rules: ["M1", "M2"], items: items.slice(0, 1), data: items[0]?.item },
      { name: "three items", rules: ["M1", "M2"], items, data },
    ],
    answers: [
      answer("every verdict", "M3", 4, "66727578", VERDICTS),
      answer("one verdict", "M3", 1, "66", ["fresh"]),
      answer("an unknown byte refuses its item", "M5", 3, "666766", ["fresh", "refused", "fresh"]),
      answer("a capital letter refuses its item", "M5", 2, "4666", ["refused", "fresh"]),
      answer("a zero refuses its item", "M5", 1, "00", ["refused"]),
      answer("a byte with the highest bit refuses its item", "M5", 1, "e6", ["refused"]),
      answer("a verdict too few refuses all", "M4", 3, "6666", allRefused(3)),
      answer("a verdict too many refuses all", "M4", 1, "6666", allRefused(1)),
      answer("no answer's bytes refuse all", "M4", 2, "", allRefused(2)),
    ],
    question_lengths: [0, 107, 108, 109, 162, 108 * 256, 108 * 257].map((bytes) => ({
      name: `a question of ${bytes} bytes`,
      rules: ["M2"],
      bytes,
      accepted: bytes === 108 || bytes === 108 * 256,
    })),
    judgements: judgements(),
  };
}

/** Items in sequence at an empty guard, and its verdicts. */
function judgements() {
  const base = itemOf(make(), fixed("attempt", 16));
  const of = (name: string, rules: Rules, verdict: Verdict, change: Partial<typeof base> = {}) => ({
    name,
    rules: ruleList(rules),
    verdict,
    item: written({ ...base, ...change }),
  });
  const other = (label: string, bytes: number) => fixed(`another ${label}`, bytes).toString("hex");
  return {
    epoch: EPOCH.toString("hex"),
    minutes: [MINUTE],
    provider: "openai",
    questions: [
      of("nothing is recorded", "M6", "fresh"),
      of("the same question again", "M7", "fresh"),
      of("another attempt", "M8", "replay", { attempt: other("attempt", 16) }),
      of("another attempt, which is zeros", "M8", "replay", { attempt: "00".repeat(16) }),
      of("another replay_nonce", "M9", "reuse", { replay_nonce: other("replay nonce", 24) }),
      of("another tag", "M9", "reuse", { tag: other("tag", 16) }),
      of("another tag and another attempt", "M9", "reuse", {
        tag: other("tag", 16),
        attempt: other("attempt", 16),
      }),
      of("the next counter", "M6", "fresh", { counter: base.counter + 1 }),
      of("another session", "M6", "fresh", { session_id: sessionIdOf("judged").toString("hex") }),
      of("another epoch", "M10", "refused", { epoch: other("epoch", 16), counter: 3 }),
      of("another epoch, of an envelope that was seen", "M10", "refused", { epoch: other("epoch", 16) }),
      of("a counter of 0", "M11", "refused", { counter: 0 }),
      of("a session's minute that it does not remember", "M12", "refused", {
        session_id: sessionIdOf("judged", MINUTE + 1).toString("hex"),
      }),
      of("the same question once more", "M7", "fresh"),
    ],
  };
}

function itemOf(envelope: ReturnType<typeof make>, attempt: Buffer) {
  const known = admitItem(envelope);
  return {
    envelope: envelope.bytes.toString("hex"),
    epoch: EPOCH.toString("hex"),
    session_id: known.subarray(16, 48).toString("hex"),
    counter: known.readUInt32BE(48),
    replay_nonce: known.subarray(52, 76).toString("hex"),
    tag: known.subarray(76, 92).toString("hex"),
    attempt: attempt.toString("hex"),
    item: Buffer.concat([known, attempt]).toString("hex"),
  };
}

function written({
  epoch,
  session_id,
  counter,
  replay_nonce,
  tag,
  attempt,
}: ReturnType<typeof itemOf>): string {
  return epoch + session_id + counter.toString(16).padStart(8, "0") + replay_nonce + tag + attempt;
}

function allRefused(count: number): readonly "refused"[] {
  return Array.from({ length: count }, () => "refused" as const);
}
