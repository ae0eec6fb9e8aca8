import { STATUS } from "@scbe/contracts";
import { NOISE_BYTES } from "@scbe/envelope";
import type { ExampleRequest } from "@scbe/examples/decode-requests";
import type { Attacker, RawAnswer } from "./attacker.ts";

/** How one attack went. */
export interface AttackReport {
  readonly name: string;
  /** True for noise of the one length, no sooner than its floor. */
  readonly refused: boolean;
  /** 0: there was no answer. */
  readonly answer_bytes: number;
  /** Until the answer. */
  readonly after_ms: number;
  /** What came instead of noise, for people. */
  readonly instead?: string;
}

interface Attack {
  readonly name: string;
  /** The envelope to send, and to which provider. @throws Error when what it needs beforehand does not work */
  prepare(attacker: Attacker, request: ExampleRequest, otherProvider: string): Promise<Sendable> | Sendable;
}

interface Sendable {
  readonly provider: string;
  readonly bytes: Uint8Array;
}

const ATTACKS: readonly Attack[] = [
  {
    name: "replayed envelope",
    prepare: async (attacker, request) => {
      const bytes = attacker.seal(request);
      await answerTo(attacker, request.provider, bytes);
      return { provider: request.provider, bytes };
    },
  },
  {
    name: "flipped bit",
    prepare: (attacker, request) => {
      const bytes = Buffer.from(attacker.seal(request));
      const middle = bytes.length - Math.ceil(request.body.length / 2);
      bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
      return { provider: request.provider, bytes };
    },
  },
  {
    name: "swapped provider",
    prepare: (attacker, request, otherProvider) => ({
      provider: otherProvider,
      bytes: attacker.seal(request),
    }),
  },
  {
    name: "stale envelope",
    prepare: (attacker, request) => ({ provider: request.provider, bytes: attacker.sealStale(request) }),
  },
  {
    name: "response sent as a request",
    prepare: async (attacker, request) => {
      const bytes = await answerTo(attacker, request.provider, attacker.seal(request));
      return { provider: request.provider, bytes };
    },
  },
];

/**
 * Tries every attack on the gateways, all at once.
 * @param request what is sent, honestly or not
 * @param otherProvider where it is sent instead
 */
export function attack(
  attacker: Attacker,
  request: ExampleRequest,
  otherProvider: string,
): Promise<AttackReport[]> {
  return Promise.all(
    ATTACKS.map(async ({ name, prepare }) => {
      try {
        const { provider, bytes } = await prepare(attacker, request, otherProvider);
        return { name, ...judge(await attacker.send(provider, bytes), attacker.noiseFloorMs) };
      } catch (error) {
        const instead = error instanceof Error ? error.message : String(error);
        return { name, refused: false, answer_bytes: 0, after_ms: 0, instead };
      }
    }),
  );
}

/** Of timers and clocks. */
const SLACK_MS = 1;

function judge({ status, data, afterMs }: RawAnswer, noiseFloorMs: number): Omit<AttackReport, "name"> {
  const facts = { answer_bytes: data.length, after_ms: afterMs };
  if (status !== STATUS.refused) return { ...facts, refused: false, instead: `the answer is ${status}` };
  if (data.length !== NOISE_BYTES)
    return { ...facts, refused: false, instead: "the noise has another length" };
  if (afterMs < noiseFloorMs - SLACK_MS) return { ...facts, refused: false, instead: "the noise came early" };
  return { ...facts, refused: true };
}

/** The sealed response to a good envelope; without it, a refusal later on would prove nothing. */
async function answerTo(attacker: Attacker, provider: string, bytes: Uint8Array): Promise<Uint8Array> {
  const { status, data } = await attacker.send(provider, bytes);
  if (status === STATUS.sealed) return data;
  throw new Error(`an honest request was answered ${status}`);
}
