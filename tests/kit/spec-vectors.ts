import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AdmitItem, AdmitVerdict, Environment } from "@scbe/contracts";
import {
  importSubkeys,
  type KeyContext,
  Opener,
  type Refusal,
  type ResponseBinding,
  type Serves,
  type Subkeys,
} from "@scbe/envelope";

export const ROOT = join(import.meta.dirname, "../..");

/** docs/spec/envelope-v1.md, "Vectors", says what each member is. */
interface Situation {
  readonly name: string;
  readonly keys: readonly (KeyContext & { kid: string; k_enc: string; k_nonce: string })[];
  readonly serves: Serves & { readonly env: Environment };
  readonly now: number;
  readonly window_seconds: number;
  readonly skew_seconds: number;
  readonly withdrawn_before_release: boolean;
  readonly permitted: "always" | "never" | "until_release";
  readonly envelope: string;
}
export type Outcome =
  | { readonly opens: true; readonly header: string; readonly body: string }
  | { readonly opens: false; readonly step: number; readonly reason: Refusal };
export type RequestVector = Situation &
  Outcome & {
    readonly subject_provider: string;
    readonly guard: AdmitVerdict;
    readonly guard_answers_after_ms: number;
    readonly noise_floor_ms: number;
    readonly hash: string;
    readonly admit: string;
  };
type Waiting = Omit<ResponseBinding, "hash"> & { readonly hash: string };
export type ResponseVector = Situation & Outcome & { readonly waiting: Waiting };

/** A file of docs/spec/vectors. */
export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(join(ROOT, `docs/spec/vectors/${name}.json`), "utf8")) as T;
}

export function unhex(hex: string): Buffer {
  return Buffer.from(hex, "hex");
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** The product's opener in the situation of a vector, and what it tells its observer. */
export function openerIn(vector: RequestVector | ResponseVector) {
  const { keys, serves, window_seconds: windowSeconds, skew_seconds: skewSeconds } = vector;
  const held: Subkeys[] = keys.map((key) => importSubkeys(key, unhex(key.k_enc + key.k_nonce)));
  const floor = "noise_floor_ms" in vector ? vector.noise_floor_ms : 0;
  const seen = { reasons: [] as Refusal[], admits: [] as AdmitItem[] };
  let elapsed = 0;
  let isKilled = false;
  const opener = new Opener(
    {
      env: serves.env,
      serves,
      clock: { now: () => vector.now, monotonic: () => elapsed },
      keys: {
        find: (...names) =>
          held.find(({ kid, provider, intent }) => names.join() === [kid, provider, intent].join()),
      },
      admission: {
        admit: async (item) => {
          seen.admits.push(item);
          elapsed = "guard" in vector ? vector.guard_answers_after_ms : 0;
          return "guard" in vector ? vector.guard : "refused";
        },
      },
      permission: { permits: () => vector.permitted !== "never" && !isKilled },
      observer: {
        verified: () => {
          if (vector.permitted === "until_release") isKilled = true;
          if (vector.withdrawn_before_release) held.length = 0;
        },
        released: () => undefined,
        refused: ({ reason }) => {
          seen.reasons.push(reason);
          elapsed = floor;
        },
      },
    },
    { windowSeconds, skewSeconds, noiseFloorMs: floor },
  );
  return { opener, seen };
}
