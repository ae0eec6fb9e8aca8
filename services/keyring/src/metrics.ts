import { type ErrorCode, KEY_STATES, type KmsCall, type KmsResult } from "@scbe/contracts";
import type { MetricsRegistry } from "@scbe/runtime";
import { type Clock, counter, gauge, histogram, watchGauge } from "@scbe/runtime";
import type { Ring } from "./domain/ring.ts";

/** The keyring's metrics. Kids are labels, because a ring has at most 64; nkeys are not. */
export interface KeyringMetrics {
  granted(): void;
  refused(code: ErrorCode): void;
  kmsCalled(call: KmsCall, result: KmsResult, seconds: number): void;
  kms(ok: boolean): void;
  ring(ring: Ring | undefined): void;
}

export function keyringMetrics(registry: MetricsRegistry, clock: Clock): KeyringMetrics {
  const grants = counter(registry, "scbe_keyring_grants_total");
  const kmsUp = gauge(registry, "scbe_keyring_kms_up");
  const calls = counter(registry, "scbe_keyring_kms_calls_total");
  const seconds = histogram(registry, "scbe_keyring_kms_seconds");
  const generation = gauge(registry, "scbe_keyring_ring_generation");
  const keys = gauge(registry, "scbe_keyring_keys");
  let current: Ring | undefined;
  watchGauge(registry, "scbe_keyring_key_age_seconds", () =>
    (current?.keys ?? []).map(({ kid, state, since }) => [{ kid, state }, (clock.now() - since) / 1000]),
  );
  return {
    granted: () => grants.inc({ result: "granted" }),
    refused: (code) => grants.inc({ result: code }),
    kmsCalled: (call, result, took) => {
      calls.inc({ call, result });
      seconds.observe({ call }, took);
    },
    kms: (ok) => kmsUp.set({}, ok ? 1 : 0),
    ring: (ring) => {
      current = ring;
      generation.set({}, ring?.generation ?? 0);
      for (const state of KEY_STATES) {
        keys.set({ state }, ring?.keys.filter((key) => key.state === state).length ?? 0);
      }
    },
  };
}
