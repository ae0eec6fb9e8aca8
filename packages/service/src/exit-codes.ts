import { isScbeError } from "@scbe/contracts";

/**
 * Exit codes of every program: 2 for wrong arguments, sysexits.h's EX_CONFIG (78) for a configuration that cannot be used,
 * be it a variable or what stands in a file that a variable names.
 */
export const EXIT_CODES = { stopped: 0, failed: 1, misused: 2, misconfigured: 78 } as const;

/** What a program ends with that cannot go on: for a failure of its own configuration no restart helps. */
export function exitCodeOf(error: unknown): number {
  const isOwn = isScbeError(error, "BAD_REQUEST") || isScbeError(error, "FORBIDDEN");
  return isOwn ? EXIT_CODES.misconfigured : EXIT_CODES.failed;
}
