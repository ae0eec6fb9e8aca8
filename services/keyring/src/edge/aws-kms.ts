import { DecryptCommand, GenerateDataKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { type Environment, ScbeError } from "@scbe/contracts";
import { encryptionContext, type Kms } from "../kms.ts";

export interface AwsKmsOptions {
  /** ARN, key id or alias of the key that wraps new data keys. */
  readonly keyId: string;
  readonly env: Environment;
  /** For one attempt; a call makes up to three, with pauses between them. */
  readonly timeoutMs: number;
}

const ATTEMPTS_MAX = 3;
/** The SDK's pauses between attempts, which grow when it is throttled. */
const PAUSES_MAX_MS = 3000;
const DATA_KEY_BYTES = 32;

/**
 * Errors about one key or one copy: the ciphertext does not match the key and the context, or the key is not ours to use, or is disabled.
 * Copies that another key wrapped can still unwrap.
 */
const REFUSALS: ReadonlySet<string> = new Set([
  "InvalidCiphertextException",
  "IncorrectKeyException",
  "AccessDeniedException",
  "DisabledException",
  "KMSInvalidStateException",
  "NotFoundException",
  "InvalidKeyUsageException",
]);

/**
 * AWS KMS by the SDK's standard configuration: region, credentials and endpoint come from its own variables and files (`AWS_REGION`,
 * `AWS_ENDPOINT_URL_KMS`, a profile, a role). KMS authenticates the encryption context, and CloudTrail logs it.
 */
export function awsKms({ keyId, env, timeoutMs }: AwsKmsOptions): Kms {
  const client = new KMSClient({
    maxAttempts: ATTEMPTS_MAX,
    requestHandler: {
      connectionTimeout: timeoutMs,
      requestTimeout: timeoutMs,
      throwOnRequestTimeout: true,
    },
  });
  const within = () => ({ abortSignal: AbortSignal.timeout(timeoutMs * ATTEMPTS_MAX + PAUSES_MAX_MS) });

  return {
    async generate(kid) {
      const answer = await client
        .send(
          new GenerateDataKeyCommand({
            KeyId: keyId,
            KeySpec: "AES_256",
            EncryptionContext: encryptionContext(env, kid),
          }),
          within(),
        )
        .catch((cause: unknown) => {
          throw new ScbeError("NOT_READY", `KMS gives no data key (${nameOf(cause)})`, { cause });
        });
      const { Plaintext, CiphertextBlob, KeyId } = answer;
      if (!CiphertextBlob || !KeyId) throw new ScbeError("NOT_READY", "KMS gave an incomplete data key");
      return { plaintext: dataKey(Plaintext), wrapped: CiphertextBlob, keyArn: KeyId };
    },
    async unwrap({ kid, wrapped, keyArn }) {
      const answer = await client
        .send(
          new DecryptCommand({
            KeyId: keyArn,
            CiphertextBlob: wrapped,
            EncryptionContext: encryptionContext(env, kid),
          }),
          within(),
        )
        .catch((cause: unknown) => {
          throw REFUSALS.has(nameOf(cause)) ? refused(cause) : away(cause);
        });
      return dataKey(answer.Plaintext);
    },
    [Symbol.dispose]: () => client.destroy(),
  };
}

function dataKey(plaintext: Uint8Array | undefined): Uint8Array {
  if (plaintext?.length !== DATA_KEY_BYTES) throw new ScbeError("NOT_READY", "KMS gave no 32-byte data key");
  return plaintext;
}

function refused(cause: unknown): ScbeError {
  return new ScbeError("FORBIDDEN", `KMS refuses this copy (${nameOf(cause)})`, { cause });
}

function away(cause: unknown): ScbeError {
  return new ScbeError("NOT_READY", `KMS is away (${nameOf(cause)})`, { cause });
}

function nameOf(cause: unknown): string {
  return cause instanceof Error ? cause.name : "unknown error";
}
