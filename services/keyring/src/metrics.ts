import { type ErrorCode, KEY_STATES } from "@scbe/contracts";
import { Counter, Gauge, type Registry } from "@scbe/service-kit";
import type { Ring } from "./domain/ring.ts";

/** What the keyring counts. No label holds a kid, an nkey or anything else that grows. */
export interface KeyringMetrics {
  granted(): void;
  refused(code: ErrorCode): void;
  kms(ok: boolean): void;
  ring(ring: Ring | undefined): void;
}

export function keyringMetrics(registry: Registry): KeyringMetrics {
  const registers = [registry];
  const grants = new Counter({
    name: "scbe_keyring_grants_total",
    help: "Questions for subkeys, by result: granted, or the code of the refusal",
    labelNames: ["result"],
    registers,
  });
  const kmsUp = new Gauge({
    name: "scbe_keyring_kms_up",
    help: "1 while KMS answered the last time it was asked, else 0",
    registers,
  });
  const generation = new Gauge({
    name: "scbe_keyring_ring_generation",
    help: "Generation of the ring in memory; 0 without one",
    registers,
  });
  const keys = new Gauge({
    name: "scbe_keyring_keys",
    help: "Keys of the ring in memory, by state",
    labelNames: ["state"],
    registers,
  });
  return {
    granted: () => grants.inc({ result: "granted" }),
    refused: (code) => grants.inc({ result: code }),
    kms: (ok) => kmsUp.set(ok ? 1 : 0),
    ring: (ring) => {
      generation.set(ring?.generation ?? 0);
      for (const state of KEY_STATES) {
        keys.set({ state }, ring?.keys.filter((key) => key.state === state).length ?? 0);
      }
    },
  };
}
