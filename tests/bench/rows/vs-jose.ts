import { randomBytes, webcrypto } from "node:crypto";
import { CompactEncrypt, compactDecrypt } from "jose";
import { BODY_1_KIB, inTurn, many, REQUEST, sealerAndOpener } from "../crypto/fixture.ts";
import { microsecondsPerCall, type Row } from "../harness.ts";
import type { RowSource } from "./row-source.ts";

/** Theirs over ours: the more, the better for us. */
const COMMON = {
  unit: "us",
  better: "higher",
  rounds: 101,
  warmUp: 10,
  ratio: (ours: number, theirs: number) => theirs / ours,
} as const;

export const sealVsJose: RowSource = {
  name: "seal-1KiB-vs-jose",
  says: "jose's time for a compact JWE (dir, A256GCM) with the same header, over our time to seal",
  async open(): Promise<Row> {
    const { sealer } = sealerAndOpener();
    const encrypt = await joseEncrypt(headerOf(sealer.sealRequest({ ...REQUEST, body: BODY_1_KIB })));
    return {
      ...COMMON,
      name: sealVsJose.name,
      ours: () => microsecondsPerCall(() => sealer.sealRequest({ ...REQUEST, body: BODY_1_KIB })),
      against: () => microsecondsPerCall(() => encrypt.one()),
    };
  },
};

export const openVsJose: RowSource = {
  name: "open-1KiB-vs-jose",
  says: "jose's time to decrypt such a JWE, over our time to open, but for the guard's decision",
  async open(): Promise<Row> {
    const { sealer, opener } = sealerAndOpener();
    const sealed = many(() => sealer.sealRequest({ ...REQUEST, body: BODY_1_KIB }));
    const next = inTurn(sealed);
    const { one, key } = await joseEncrypt(headerOf(sealed[0]));
    const nextJose = inTurn([await one(), ...(await Promise.all(many(one)))]);
    return {
      ...COMMON,
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

/** With a CryptoKey, which is the fastest kind of key that jose takes: it makes one of every other at each call. */
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
