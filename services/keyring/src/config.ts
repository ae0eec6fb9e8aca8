import {
  environmentVariables,
  opsVariables,
  storeVariables,
  transportVariables,
  windowVariables,
} from "@scbe/bus";
import { type ConfigValues, defineConfig, integer, path, text } from "@scbe/runtime";
import { usersVariables } from "@scbe/service";

/** The value of `SCBE_KMS_KEY_ID` that means the local KMS. */
export const LOCAL_KMS = "local";

/** A KMS key as AWS names it: ARN of a key or alias, alias, key id, multi-region key id. */
const AWS_KEY =
  /^(arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(key|alias)\/[A-Za-z0-9/_-]{1,256}|alias\/[A-Za-z0-9/_-]{1,250}|(mrk-)?[0-9a-f-]{32,36})$/;

/** Every variable of the keyring. */
export const config = defineConfig({
  ...environmentVariables,
  ...windowVariables,
  ...transportVariables,
  ...storeVariables,
  ...opsVariables(7102),
  SCBE_KMS_KEY_ID: text({
    default: LOCAL_KMS,
    pattern: new RegExp(`^${LOCAL_KMS}$|${AWS_KEY.source}`),
    expected: "the ARN, id or alias of an AWS KMS key, or `local`",
    doc: "What wraps data keys. An AWS KMS key is reached by the AWS SDK's standard configuration (AWS_REGION, AWS_ENDPOINT_URL_KMS, its credentials chain). `local` is the key file SCBE_KMS_KEY_FILE, and is refused in prod.",
    check: checkKms,
  }),
  SCBE_KMS_KEY_FILE: path({
    optional: true,
    private: true,
    doc: "The key file of the local KMS; read only where SCBE_KMS_KEY_ID is `local`.",
  }),
  SCBE_KMS_TIMEOUT_MS: integer({
    default: 3000,
    min: 100,
    max: 30_000,
    unit: "ms",
    doc: "Time limit of one attempt to reach AWS KMS; a call makes at most three.",
  }),
  SCBE_KMS_PROBE_SECONDS: integer({
    default: 30,
    min: 1,
    max: 3600,
    unit: "s",
    doc: "How often the keyring unwraps the active key as a probe, so that an outage of KMS shows before a key is needed.",
  }),
  SCBE_KEYRING_FORMER_PUBLIC_KEY: text({
    optional: true,
    pattern: /^U[A-Z2-7]{55}$/,
    expected: "a public nkey: U and 55 characters of base32",
    doc: "The former nkey while the keyring's nkey is replaced: its signature on the stored ring is accepted until the ring is next written.",
  }),
  ...usersVariables,
});

/** The keyring's configuration. */
export type KeyringConfig = ConfigValues<typeof config>;

function checkKms(keyId: string, values: Readonly<Record<string, unknown>>): string | undefined {
  if (keyId !== LOCAL_KMS) return undefined;
  if (values.SCBE_ENVIRONMENT === "prod")
    return "is `local`, which is refused where SCBE_ENVIRONMENT is prod";
  if (values.SCBE_KMS_KEY_FILE === undefined) return "is `local`, which needs SCBE_KMS_KEY_FILE";
  return undefined;
}
