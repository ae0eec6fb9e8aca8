import { createSecretKey, randomBytes } from "node:crypto";
import { deriveGrantMaterial, importSubkeys, Opener, Sealer } from "@scbe/envelope";
import { systemClock } from "@scbe/runtime";

/** The body of every row. */
export const BODY_1_KIB: Uint8Array = randomBytes(1024);

/** One request to seal, but for its body. */
export const REQUEST = {
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

/** Sealer and Opener as a process has them, with keys and epoch at hand and a guard that says yes at once. */
export function sealerAndOpener(): { sealer: Sealer; opener: Opener } {
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

/** Gives its items one after the other, for ever. */
export function inTurn<T>(items: readonly [T, ...T[]]): () => T {
  let next = 0;
  return () => items[next++ % items.length] ?? items[0];
}

/** Different ones of one kind, so that nothing is measured on the same bytes again and again. */
export function many<T>(make: () => T): [T, ...T[]] {
  return [make(), ...Array.from({ length: 255 }, make)];
}
