import { lstatSync, mkdirSync, readdirSync, realpathSync, type Stats } from "node:fs";
import { join } from "node:path";
import { ScbeError } from "@scbe/contracts";

/**
 * Creates a folder for the state of this process, for its owner alone, unless it exists.
 * @throws ScbeError BAD_REQUEST if it cannot be created, or for {@link whyNotOwn}
 */
export function ownFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new ScbeError("BAD_REQUEST", `the folder ${path} cannot be created`, { cause });
  }
  const why = whyNotOwn(path);
  if (why !== undefined) throw new ScbeError("BAD_REQUEST", why);
}

/**
 * Why a file or a folder must not be used for state of this process, and what to do: another user of the machine owns it, or may change it.
 * `undefined` if it may be used, or does not exist yet.
 * @param user the user of this process
 */
export function whyNotOwn(path: string, user: number | undefined = process.getuid?.()): string | undefined {
  if (user === undefined) return undefined;
  const link = statOf(path);
  if (link === undefined) return undefined;
  if (!link.isSymbolicLink()) return whyNot(path, link, user);
  const target = targetOf(path);
  const found = target === undefined ? undefined : statOf(target);
  return whyNot(path, link, user) ?? (target && found && whyNot(target, found, user));
}

/**
 * The same for a folder and everything in it, also behind symbolic links of our own: one sentence for each refused entry, at most
 * {@link PROBLEMS_MAX}.
 */
export function whyNotAllOwn(path: string, user: number | undefined = process.getuid?.()): readonly string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  const check = (entry: string): void => {
    if (problems.length >= PROBLEMS_MAX) return;
    const why = whyNotOwn(entry, user);
    if (why !== undefined) {
      problems.push(why);
      return;
    }
    const real = targetOf(entry);
    if (real === undefined || seen.has(real) || statOf(real)?.isDirectory() !== true) return;
    seen.add(real);
    for (const name of readdirSync(real)) check(join(real, name));
  };
  check(path);
  return problems;
}

export const PROBLEMS_MAX = 5;

/** Group and world. */
const WRITABLE_BY_OTHERS = 0o022;

function whyNot(path: string, found: Stats, user: number): string | undefined {
  if (found.uid !== user) {
    const kind = found.isSymbolicLink() ? "is a symbolic link that belongs" : "belongs";
    return `${path} ${kind} to the user with id ${found.uid}, and this process runs as ${user}: run it as that user, or name another folder`;
  }
  if (found.isSymbolicLink() || (found.mode & WRITABLE_BY_OTHERS) === 0) return undefined;
  const mode = (found.mode & 0o7777).toString(8).padStart(4, "0");
  return `${path} can be changed by other users (mode ${mode}): look at what it holds, then run chmod go-w ${JSON.stringify(path)}`;
}

function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/** `undefined` for a broken link. */
function targetOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
