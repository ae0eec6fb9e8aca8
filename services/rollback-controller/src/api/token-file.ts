import { readFileSync, statSync } from "node:fs";
import { ScbeError } from "@scbe/contracts";
import { followFile, type Logger, type Readiness } from "@scbe/runtime";
import { showTokens, TOKENS_DEPENDENCY } from "./show-tokens.ts";
import { readTokenEntries, type TokenBook } from "./tokens.ts";

const FILE_BYTES_MAX = 256 * 1024;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Has a book take its named tokens from a file, now and after each change of it. A change that cannot be used is told, and those before stay.
 * @throws ScbeError BAD_REQUEST for a file that cannot be used now
 */
export function followTokenFile(
  file: string,
  book: TokenBook,
  { log, readiness }: { readonly log: Logger; readonly readiness: Pick<Readiness, "set"> },
): Disposable {
  const take = (): void => book.use(readTokenEntries(read(file)));
  try {
    take();
  } catch (cause) {
    throw new ScbeError("BAD_REQUEST", `SCBE_API_TOKENS_FILE: ${messageOf(cause)}`, { cause });
  }
  return followFile(file, () => {
    try {
      take();
      log.info("the file of named tokens was read again");
      showTokens(book, { log, readiness });
    } catch (error) {
      const note = `SCBE_API_TOKENS_FILE was changed and cannot be used: ${messageOf(error)}; the tokens before are valid`;
      readiness.set(TOKENS_DEPENDENCY, { ok: true, note });
      log.error(note);
    }
  });
}

/** @throws Error */
function read(file: string): string {
  const { size, mode } = statSync(file);
  if (size > FILE_BYTES_MAX) throw new Error(`the file has more than ${FILE_BYTES_MAX} bytes`);
  if (process.platform !== "win32" && (mode & WRITABLE_BY_OTHERS) !== 0)
    throw new Error("others may write the file; expected mode 0644 or less");
  return readFileSync(file, "utf8");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
