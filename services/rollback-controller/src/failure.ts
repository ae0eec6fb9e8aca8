import { errorCode, isScbeError } from "@scbe/contracts";

/** A failure as `/readyz` shows it. The text of a defect may hold a secret, so it is left out. */
export function failureText(error: unknown): string {
  return isScbeError(error) ? `${error.code}: ${error.message}` : "INTERNAL: see the log";
}

/** The code of a failure for the log, with the error itself if it is a defect. */
export function failureFields(error: unknown): { readonly code: string; readonly err?: unknown } {
  const code = errorCode(error);
  return { code, ...(code === "INTERNAL" && { err: error }) };
}
