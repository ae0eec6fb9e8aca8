import type { Logger, Readiness } from "@scbe/runtime";
import type { TokenBook } from "./tokens.ts";

/** What `/readyz` calls the tokens of the control API. */
export const TOKENS_DEPENDENCY = "api tokens";
const NONE = "no token is set: nobody can use the control API";

/** Shows on `/readyz` that the tokens of a book are in use; a book without any is a note there, and a warning in the log. */
export function showTokens(
  book: Pick<TokenBook, "isEmpty">,
  { log, readiness }: { readonly log: Logger; readonly readiness: Pick<Readiness, "set"> },
): void {
  readiness.set(TOKENS_DEPENDENCY, { ok: true, ...(book.isEmpty && { note: NONE }) });
  if (book.isEmpty)
    log.warn(`${NONE}; set ADMIN_TOKEN, EMERGENCY_TOKEN or SCBE_API_TOKENS_FILE (docs/control-api.md)`);
}
