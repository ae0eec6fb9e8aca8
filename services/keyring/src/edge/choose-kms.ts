import { type KeyringConfig, LOCAL_KMS } from "../config.ts";
import type { Kms } from "../ports.ts";
import { readKeyFile } from "./key-file.ts";
import { localKms } from "./local-kms.ts";

/**
 * The KMS that `SCBE_KMS_KEY_ID` names: `local`, or a key of AWS KMS. The AWS SDK is loaded only where it is used.
 * @throws ScbeError BAD_REQUEST when the key file cannot be used
 */
export async function chooseKms(config: KeyringConfig): Promise<Kms> {
  const { SCBE_KMS_KEY_ID: keyId, SCBE_ENVIRONMENT: env, SCBE_KMS_TIMEOUT_MS: timeoutMs } = config;
  if (keyId === LOCAL_KMS) return localKms(await readKeyFile(config.SCBE_KMS_KEY_FILE ?? ""), env);
  const { awsKms } = await import("./aws-kms.ts");
  return awsKms({ keyId, env, timeoutMs });
}
