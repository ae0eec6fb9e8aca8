import type { Identity } from "@scbe/bus";
import type { GrantRequest } from "@scbe/contracts";

/** A question for `openai`, `chat` and the active kid whose X25519 key is what it is told, rightly signed. */
export function signGrantRequest(asker: Identity, publicKey: Uint8Array): GrantRequest {
  const facts = { env: "dev", provider: "openai", intent: "chat", kid: "", asker: asker.publicKey } as const;
  const parts = ["scbe/v1/grant-q", ...Object.values(facts)].map((part) => Buffer.from(part));
  const bytes = Buffer.concat([...parts, Buffer.from(publicKey)].flatMap((part) => [lengthOf(part), part]));
  return {
    v: 1,
    ...facts,
    public_key: Buffer.from(publicKey).toString("base64url"),
    signature: Buffer.from(asker.sign(bytes)).toString("base64url"),
  };
}

function lengthOf(part: Uint8Array): Uint8Array {
  return Uint8Array.of(part.length >> 8, part.length & 0xff);
}
