import { identityFromSeed } from "@scbe/bus";
import { isUserNkey } from "@scbe/contracts";
import { integer, text } from "@scbe/runtime";

/** What a controller signs with, and how it leads. */
export const controlVariables = {
  SCBE_CONTROL_SEED: text({
    secret: true,
    pattern: /^SU[A-Z2-7]{56}$/,
    expected: "the seed of a user nkey: SU and 56 characters of base32",
    doc: "The key that signs control documents and leases: the same for all controllers of an environment, and in the hands of whoever has to switch off without one. Not the nkey of the connection.",
    check: (seed) => (isSeed(seed) ? undefined : "is no seed: its checksum is another"),
  }),
  SCBE_CONTROL_LEASE_MS: integer({
    default: 5000,
    min: 200,
    max: 60_000,
    unit: "ms",
    doc: "As verifiers have it: one that has not asked for that long is shown as stale, and no user may ask more often than its verifiers need to with this lease time.",
  }),
  SCBE_CONTROL_VERIFIERS_PER_USER: integer({
    default: 64,
    min: 1,
    max: 4096,
    doc: "How many verifiers of one user are counted: all replicas that share it. Where a user has more, no kill is confirmed for it.",
  }),
  SCBE_CONTROL_LEADER_MS: integer({
    default: 6000,
    min: 300,
    max: 60_000,
    unit: "ms",
    doc: "A controller that has not renewed its leadership for that long is followed by another one; it is renewed three times as often, and given up by itself after two thirds.",
  }),
  SCBE_KEYRING_PUBLIC_KEY: text({
    optional: true,
    pattern: /^U[A-Z2-7]{55}$/,
    expected: "the keyring's public nkey: U and 55 characters of base32",
    doc: "Whose broadcasts say which data key is in use, for `current_key_id` of GET /health/scbe. Without it that is not shown.",
    check: (nkey) => (isUserNkey(nkey) ? undefined : "is no public nkey: its checksum is another"),
  }),
};

function isSeed(seed: string): boolean {
  try {
    identityFromSeed(seed, "SCBE_CONTROL_SEED");
    return true;
  } catch {
    return false;
  }
}
