export * from "./access/index.ts";
export * from "./admit-traces.ts";
export * from "./answers.ts";
export * from "./base32.ts";
export * from "./control.ts";
export * from "./cut-text.ts";
export * from "./epoch.ts";
export * from "./errors.ts";
export * from "./exact-base64url.ts";
export * from "./headers.ts";
export * from "./integers.ts";
export * from "./keyring.ts";
export * from "./message.ts";
export * from "./metrics/index.ts";
export * from "./names.ts";
export * from "./nkey.ts";
export * from "./outcome-report.ts";
export {
  type Common,
  type Content,
  type Names,
  PARAMETERS,
  Parameters,
  readTimeoutMs,
} from "./parameters.ts";
export * from "./problem.ts";
export * from "./reads.ts";
export * from "./refusals.ts";
export * from "./replay.ts";
export * from "./security.ts";
export * from "./service-errors.ts";
export * from "./subjects.ts";
export * from "./trust.ts";
export * from "./trust-share.ts";
