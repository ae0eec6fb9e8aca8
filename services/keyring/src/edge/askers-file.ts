import { readFile, stat } from "node:fs/promises";
import { Name, PublicNkey, ScbeError } from "@scbe/contracts";
import { z } from "zod";
import type { Asker } from "../domain/may-ask.ts";

const FILE_BYTES_MAX = 4 * 1024 * 1024;

const Askers = z
  .array(
    z.strictObject({
      nkey: PublicNkey,
      role: Name,
      providers: z.array(Name).max(64),
      intents: z.array(Name).max(64).optional(),
    }),
  )
  .max(4096)
  .refine((askers) => new Set(askers.map(({ nkey }) => nkey)).size === askers.length, "an nkey stands twice");

/**
 * The list of askers, by nkey.
 * @throws ScbeError BAD_REQUEST when the file is none, with where it goes wrong
 */
export async function readAskersFile(path: string): Promise<ReadonlyMap<string, Asker>> {
  const parsed = Askers.safeParse(await readJson(path));
  if (!parsed.success) throw unusable(z.prettifyError(parsed.error));
  return new Map(
    parsed.data.map(({ intents, ...asker }) => [
      asker.nkey,
      intents === undefined ? asker : { ...asker, intents },
    ]),
  );
}

async function readJson(path: string): Promise<unknown> {
  try {
    if ((await stat(path)).size > FILE_BYTES_MAX) throw new RangeError("it is too large");
    return JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw unusable("it cannot be read as JSON", cause);
  }
}

function unusable(why: string, cause?: unknown): ScbeError {
  return new ScbeError("BAD_REQUEST", `SCBE_KEYRING_ASKERS_FILE is no list of askers: ${why}`, { cause });
}
