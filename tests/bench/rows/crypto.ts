import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  randomBytes,
  webcrypto,
} from "node:crypto";
import { deriveGrantMaterial, importSubkeys, Opener, Sealer, splitEnvelope } from "@scbe/envelope";
import { systemClock } from "@scbe/runtime";
import { CompactEncrypt, compactDecrypt } from "jose";
import { microsecondsPerCall, type Row, type RowSource } from "../harness.ts";

const ROUNDS = { rounds: 101, warmUp: 10 };
const VS_RAW = { unit: "us", better: "lower", ...ROUNDS } as const;

export const sealVsRaw: RowSource = {
  name: "seal-1KiB-vs-raw",
  says: "our time to seal, over raw createCipheriv with a KeyObject on the same bytes",
  open(): Row {
    const { sealer } = sealerAndOpener();
    const raw = new RawCipher();
    const aad = aadOf(sealer.sealRequest({ ...REQUEST, body: BODY_1_KIB }).bytes);
    return {
      ...VS_RAW,
      name: sealVsRaw.name,
      ours: () => microsecondsPerCall(() => sealer.sealRequest({ ...REQUEST, body: BODY_1_KIB })),
      against: () => microsecondsPerCall(() => raw.seal(aad, BODY_1_KIB)),
    };
  },
};

export const openVsRaw: RowSource = {
  name: "open-1KiB-vs-raw",
  says: "our time to open, without the guard's decision, over raw createDecipheriv with a KeyObject on the same bytes",
  open(): Row {
    const { sealer, opener } = sealerAndOpener();
    const raw = new RawCipher();
    const envelopes = many(() => sealer.sealRequest({ ...REQUEST, body: BODY_1_KIB }).bytes);
    const aad = aadOf(envelopes[0]);
    const next = inTurn(envelopes);
    const nextRaw = inTurn(many(() => raw.seal(aad, BODY_1_KIB)));
    return {
      ...VS_RAW,
      name: openVsRaw.name,
      ours: () =>
        microsecondsPerCall(async () => {
          const opening = await opener.openRequest(next(), {
            provider: REQUEST.provider,
            arrivedAt: performance.now(),
          });
          if (!opening.ok) throw new Error("an envelope was refused");
        }),
      against: () => microsecondsPerCall(() => raw.open(aad, nextRaw())),
    };
  },
};

function aadOf(envelope: Uint8Array): Uint8Array {
  const parts = splitEnvelope(envelope);
  if (parts === undefined) throw new Error("no envelope");
  return parts.aad;
}

/** The ratio is jose's time over ours, so higher is better. */
const VS_JOSE = {
  unit: "us",
  better: "higher",
  ...ROUNDS,
  ratio: (ours: number, theirs: number) => theirs / ours,
} as const;

export const sealVsJose: RowSource = {
  name: "seal-1KiB-vs-jose",
  says: "jose's time for a compact JWE (dir, A256GCM) with the same header, over our time to seal",
  async open(): Promise<Row> {
    const { sealer } = sealerAndOpener();
    const encrypt = await joseEncrypt(headerOf(sealer.sealRequest({ ...REQUEST, body: BODY_1_KIB })));
    return {
      ...VS_JOSE,
      name: sealVsJose.name,
      ours: () => microsecondsPerCall(() => sealer.sealRequest({ ...REQUEST, body: BODY_1_KIB })),
      against: () => microsecondsPerCall(() => encrypt.one()),
    };
  },
};

export const openVsJose: RowSource = {
  name: "open-1KiB-vs-jose",
  says: "jose's time to decrypt such a JWE, over our time to open, without the guard's decision",
  async open(): Promise<Row> {
    const { sealer, opener } = sealerAndOpener();
    const sealed = many(() => sealer.sealRequest({ ...REQUEST, body: BODY_1_KIB }));
    const next = inTurn(sealed);
    const { one, key } = await joseEncrypt(headerOf(sealed[0]));
    const nextJose = inTurn([await one(), ...(await Promise.all(many(one)))]);
    return {
      ...VS_JOSE,
      name: openVsJose.name,
      ours: () =>
        microsecondsPerCall(async () => {
          const arrival = { provider: REQUEST.provider, arrivedAt: performance.now() };
          const opening = await opener.openRequest(next().bytes, arrival);
          if (!opening.ok) throw new Error("an envelope was refused");
        }),
      against: () => microsecondsPerCall(() => compactDecrypt(nextJose(), key)),
    };
  },
};

function headerOf({ header }: { readonly header: object }): object {
  return header;
}

/** With a CryptoKey, the fastest kind of key for jose: it converts every other kind at each call. */
async function joseEncrypt(
  header: object,
): Promise<{ one: () => Promise<string>; key: webcrypto.CryptoKey }> {
  const key = await webcrypto.subtle.importKey("raw", randomBytes(32), "AES-GCM", false, [
    "encrypt",
    "decrypt",
  ]);
  const protectedHeader = { ...header, alg: "dir", enc: "A256GCM" };
  const one = () => new CompactEncrypt(BODY_1_KIB).setProtectedHeader(protectedHeader).encrypt(key);
  return { one, key };
}

/** The body of every row. */
const BODY_1_KIB: Uint8Array = randomBytes(1024);

/** A request to seal, without its body. */
const REQUEST = {
  provider: "openai",
  model: "gpt-5",
  intent: "chat",
  requestId: "0190f3a4-5b6c-7d8e-9fa0-b1c2d3e4f506",
  contentType: "application/json",
} as const;

const CONTEXT = { env: "dev", provider: REQUEST.provider, intent: REQUEST.intent } as const;
const LIMITS = {
  windowSeconds: 300,
  skewSeconds: 120,
  counterLimit: 2 ** 32 - 1,
  noiseFloorMs: 700,
  guardWaitMs: 600,
};

/** A Sealer and an Opener as in a process, with keys and epoch at hand and a guard that admits at once. */
function sealerAndOpener(): { sealer: Sealer; opener: Opener } {
  const ikm = createSecretKey(randomBytes(32));
  const subkeys = importSubkeys({ ...CONTEXT, kid: "bench" }, deriveGrantMaterial(ikm, CONTEXT));
  const epoch = randomBytes(16);
  const clock = systemClock;
  const sealer = new Sealer(
    { keys: { active: () => subkeys }, epochs: { current: () => epoch }, clock },
    LIMITS,
  );
  const opener = new Opener(
    {
      keys: { find: () => subkeys },
      admission: { admit: async () => "fresh" },
      clock,
      env: CONTEXT.env,
      serves: { providers: [CONTEXT.provider], intents: [CONTEXT.intent] },
    },
    LIMITS,
  );
  return { sealer, opener };
}

/** Returns the items in turn, for ever. */
function inTurn<T>(items: readonly [T, ...T[]]): () => T {
  let next = 0;
  return () => items[next++ % items.length] ?? items[0];
}

/** Makes 256 different items, so that no measurement runs on the same bytes again and again. */
function many<T>(make: () => T): [T, ...T[]] {
  return [make(), ...Array.from({ length: 255 }, make)];
}

const ALGORITHM = "aes-256-gcm";
const OPTIONS = { authTagLength: 16 } as const;

/** The output of AES-256-GCM in its parts. */
interface RawSealed {
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
}

/** AES-256-GCM under a KeyObject with a counting nonce. */
class RawCipher {
  readonly #key: KeyObject = createSecretKey(randomBytes(32));
  #counter = 0;

  seal(aad: Uint8Array, body: Uint8Array): RawSealed {
    const nonce = Buffer.alloc(12);
    this.#counter += 1;
    nonce.writeUInt32BE(this.#counter, 8);
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce, OPTIONS).setAAD(aad);
    const ciphertext = cipher.update(body);
    cipher.final();
    return { nonce, ciphertext, tag: cipher.getAuthTag() };
  }

  open(aad: Uint8Array, { nonce, ciphertext, tag }: RawSealed): Buffer {
    const decipher = createDecipheriv(ALGORITHM, this.#key, nonce, OPTIONS).setAAD(aad).setAuthTag(tag);
    const body = decipher.update(ciphertext);
    decipher.final();
    return body;
  }
}
