import type { Environment } from "@scbe/contracts";

/** What a wrapped data key is bound to: KMS unwraps it only when it is told the same again. */
export function encryptionContext(env: Environment, kid: string): Record<"app" | "env" | "kid", string> {
  return { app: "scbe", env, kid };
}
