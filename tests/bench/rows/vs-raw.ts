import { splitEnvelope } from "@scbe/envelope";
import { BODY_1_KIB, inTurn, many, REQUEST, sealerAndOpener } from "../crypto/fixture.ts";
import { RawCipher } from "../crypto/raw.ts";
import { microsecondsPerCall, type Row } from "../harness.ts";
import type { RowSource } from "./row-source.ts";

const COMMON = { unit: "us", better: "lower", rounds: 101, warmUp: 10 } as const;

export const sealVsRaw: RowSource = {
  name: "seal-1KiB-vs-raw",
  says: "our time to seal, over raw createCipheriv with a KeyObject on the same bytes",
  open(): Row {
    const { sealer } = sealerAndOpener();
    const raw = new RawCipher();
    const aad = aadOf(sealer.sealRequest({ ...REQUEST, body: BODY_1_KIB }).bytes);
    return {
      ...COMMON,
      name: sealVsRaw.name,
      ours: () => microsecondsPerCall(() => sealer.sealRequest({ ...REQUEST, body: BODY_1_KIB })),
      against: () => microsecondsPerCall(() => raw.seal(aad, BODY_1_KIB)),
    };
  },
};

export const openVsRaw: RowSource = {
  name: "open-1KiB-vs-raw",
  says: "our time to open, but for the guard's decision, over raw createDecipheriv with a KeyObject on the same bytes",
  open(): Row {
    const { sealer, opener } = sealerAndOpener();
    const raw = new RawCipher();
    const envelopes = many(() => sealer.sealRequest({ ...REQUEST, body: BODY_1_KIB }).bytes);
    const aad = aadOf(envelopes[0]);
    const next = inTurn(envelopes);
    const nextRaw = inTurn(many(() => raw.seal(aad, BODY_1_KIB)));
    return {
      ...COMMON,
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
