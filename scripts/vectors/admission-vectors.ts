import { EPOCH, fixed, make, sessionIdOf } from "./fixed.ts";
import { admitItem } from "./situations.ts";

const VERDICTS = ["fresh", "replay", "reuse", "refused"] as const;

/** Admit questions as the bus carries them, and how answers to them read. */
export function admissions() {
  const made = [
    make(),
    make({ counter: 2 ** 32 - 1 }),
    make({ sessionId: sessionIdOf("other"), counter: 7 }),
  ];
  const items = made.map((envelope, index) => itemOf(envelope, fixed(`attempt ${index}`, 16)));
  const data = items.map(({ item }) => item).join("");
  return {
    batches: [
      { name: "one item", items: items.slice(0, 1), data: items[0]?.item },
      { name: "three items", items, data },
    ],
    answers: [
      { name: "every verdict", count: 4, data: "66727578", verdicts: VERDICTS },
      { name: "one verdict", count: 1, data: "66", verdicts: ["fresh"] },
      {
        name: "an unknown byte refuses its item",
        count: 3,
        data: "666766",
        verdicts: ["fresh", "refused", "fresh"],
      },
      { name: "a verdict too few refuses all", count: 3, data: "6666", verdicts: allRefused(3) },
      { name: "a verdict too many refuses all", count: 1, data: "6666", verdicts: allRefused(1) },
      { name: "no answer's bytes refuse all", count: 2, data: "", verdicts: allRefused(2) },
    ],
    refused_lengths: [0, 107, 109, 108 * 257],
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

function allRefused(count: number): readonly "refused"[] {
  return Array.from({ length: count }, () => "refused" as const);
}
