import { randomBytes } from "node:crypto";
import type { AdmitItem, AdmitVerdict, Environment } from "@scbe/contracts";
import {
  importSubkeys,
  type KeyContext,
  Opener,
  type Refusal,
  type RequestOpening,
  type ResponseBinding,
  type ResponseOpening,
  type Serves,
  type Subkeys,
} from "@scbe/envelope";
import { readVectors, unhex } from "./read-vectors.ts";

/** A key as vectors have it. */
export type VectorKey = KeyContext & Readonly<Record<"kid" | "k_enc" | "k_nonce", string>>;

/** docs/spec/envelope-v1.md, "Vectors", says what each member is. */
interface Situation {
  readonly name: string;
  readonly keys: readonly VectorKey[];
  readonly serves: Serves & { readonly env: Environment };
  readonly now: number;
  readonly window_seconds: number;
  readonly skew_seconds: number;
  readonly held: "always" | "until_release" | "replaced_before_release";
  readonly served: "always" | "until_release";
  readonly permitted: "always" | "never" | "until_release";
  readonly envelope: string;
}
export type Outcome =
  | { readonly opens: true; readonly header: string; readonly body: string }
  | { readonly opens: false; readonly step: number; readonly reason: Refusal };
export type RequestVector = Situation &
  Outcome & {
    readonly subject_provider: string;
    readonly subject_intent?: string;
    readonly guard: AdmitVerdict;
    readonly guard_asked_after_ms: number;
    readonly guard_answers_after_ms: number;
    readonly guard_wait_ms: number;
    readonly noise_floor_ms: number;
    readonly hash: string;
    readonly admit: string;
  };
type Waiting = Omit<ResponseBinding, "hash" | "isAwaited"> & { readonly hash: string };
export type ResponseVector = Situation &
  Outcome & { readonly waiting: Waiting; readonly token_refused: boolean };

type Filed<T> = T & { readonly file: string };

/** The vectors of some files, each with the file that it stands in. */
export function vectorsOf<T>(...files: readonly string[]): Filed<T>[] {
  return files.flatMap((file) =>
    readVectors<{ vectors: T[] }>(file).vectors.map((vector) => ({ ...vector, file })),
  );
}

export function requestVectors(): Filed<RequestVector>[] {
  return vectorsOf("requests", "requests-refused");
}

export function responseVectors(): Filed<ResponseVector>[] {
  return vectorsOf("responses", "responses-refused");
}

/** What a vector says must come of it, as far as reasons go. */
export function reasonsOf(vector: Outcome): readonly Refusal[] {
  return vector.opens ? [] : [vector.reason];
}

export type OpenerInSituation = ReturnType<typeof openerIn>;

export function openRequest(
  { opener }: OpenerInSituation,
  vector: RequestVector,
  bytes: Uint8Array = unhex(vector.envelope),
): RequestOpening | Promise<RequestOpening> {
  const { subject_provider: provider, subject_intent: intent } = vector;
  return opener.openRequest(bytes, {
    provider,
    arrivedAt: ARRIVED_AT_MS,
    ...(intent !== undefined && { intent }),
  });
}

export function openResponse({ opener }: OpenerInSituation, vector: ResponseVector): ResponseOpening {
  const { waiting, token_refused, envelope } = vector;
  return opener.openResponse(unhex(envelope), {
    ...waiting,
    hash: unhex(waiting.hash),
    isAwaited: !token_refused,
  });
}

/** By the opener's monotonic clock. */
export const ARRIVED_AT_MS = 1_000_000;

/** The product's opener in the situation of a vector, which may be changed later, and what it tells its observer. */
export function openerIn(vector: RequestVector | ResponseVector) {
  const held = vector.keys.map(heldKey);
  const serves = { ...vector.serves };
  const seen = { reasons: [] as Refusal[], admits: [] as AdmitItem[] };
  const isRequest = "guard" in vector;
  let elapsed = 0;
  let isKilled = false;
  const opener = new Opener(
    {
      env: serves.env,
      serves,
      clock: { now: () => vector.now, monotonic: () => ARRIVED_AT_MS + elapsed },
      keys: {
        find: (...names) =>
          held.find(({ kid, provider, intent }) => names.join() === [kid, provider, intent].join()),
      },
      admission: {
        admit: async (item) => {
          seen.admits.push(item);
          elapsed = isRequest ? vector.guard_answers_after_ms : 0;
          return isRequest ? vector.guard : "refused";
        },
      },
      permission: { permits: () => vector.permitted !== "never" && !isKilled },
      observer: {
        verified: () => {
          if (vector.permitted === "until_release") isKilled = true;
          if (vector.held !== "always") {
            const others = vector.held === "until_release" ? [] : vector.keys.map(replaced);
            held.splice(0, held.length, ...others);
          }
          if (vector.served === "until_release") Object.assign(serves, { providers: [] });
        },
        released: () => undefined,
        refused: ({ reason }) => {
          seen.reasons.push(reason);
        },
      },
    },
    {
      get windowSeconds() {
        return vector.window_seconds;
      },
      get skewSeconds() {
        return vector.skew_seconds;
      },
      noiseFloorMs: isRequest ? vector.noise_floor_ms : 0,
      guardWaitMs: isRequest ? vector.guard_wait_ms : 0,
    },
  );
  /** Before a second envelope is opened. */
  const arriveAnother = () => {
    elapsed = isRequest ? vector.guard_asked_after_ms : 0;
  };
  arriveAnother();
  return { opener, seen, arriveAnother };
}

/** A key as the product holds it. */
export function heldKey(key: VectorKey): Subkeys {
  return importSubkeys(key, unhex(key.k_enc + key.k_nonce));
}

/** Another key under the same names. */
function replaced(key: VectorKey): Subkeys {
  return importSubkeys(key, randomBytes(64));
}
