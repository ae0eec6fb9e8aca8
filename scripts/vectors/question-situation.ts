import { KID, TS } from "./fixed.ts";
import { ask, END, ENVELOPE, type Facts, GATEWAY, GUARD, ORCHESTRATOR } from "./grant-parties.ts";
import type { UserNkey } from "./nkey.ts";

/** What the keyring knows, and the origin of the request. */
export const SITUATION = {
  now: TS,
  env: "dev",
  providers: ["openai", "anthropic"],
  intents: ["chat", "embed"],
  users: {
    orchestrator: {
      nkey: ORCHESTRATOR.publicKey,
      role: "orchestrator",
      providers: ["openai", "anthropic"],
      intents: null as readonly string[] | null,
    },
    gateway: { nkey: GATEWAY.publicKey, role: "gateway", providers: ["openai"], intents: ["chat"] },
    envelope: { nkey: ENVELOPE.publicKey, role: "envelope", providers: ["openai"], intents: ["chat"] },
    guard: { nkey: GUARD.publicKey, role: "replay-guard", providers: ["openai"], intents: null },
  },
  subject: { user: "orchestrator", provider: "openai" },
  questions_left: 1,
  ring: {
    generation: 7,
    keys: [
      { kid: KID, state: "active", not_after: null },
      { kid: "k-2025-12", state: "decrypt-only", not_after: END },
      { kid: "k-2025-11", state: "retired", not_after: null },
      { kid: "k-2025-10", state: "compromised", not_after: END },
    ],
  },
};

export type Situation = { readonly [K in keyof typeof SITUATION]?: unknown };

/** The parts of a grant request; absent parts are valid. */
export interface Asked {
  readonly facts?: Partial<Facts>;
  readonly signer?: UserNkey;
  readonly situation?: Situation;
  /** Makes the message from the valid one. */
  readonly write?: (message: string) => string;
}

export const from = (user: string, provider = "openai"): Situation => ({ subject: { user, provider } });

export interface Refused {
  readonly name: string;
  readonly rules: readonly string[];
  readonly asked: Asked;
  readonly code: string;
  readonly reason: string;
}

export function vector(name: string, rules: readonly string[], asked: Asked) {
  const { message } = ask(asked.facts, asked.signer);
  return { name, rules, situation: asked.situation ?? {}, message: asked.write?.(message) ?? message };
}
