import { fileURLToPath } from "node:url";
import { ignoreClosedTerminal, say } from "../../../../scripts/bootstrap/say.mjs";
import { getPackage } from "./get-package.ts";
import { helpText, listTools, readArguments } from "./options.ts";
import { PACKAGES } from "./packages.ts";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));

const FAILED = 1;
const WRONG_ARGUMENTS = 2;

/** `npm run get`: brings third-party programs that this machine lacks. See `npm run get -- --help`. */
ignoreClosedTerminal();
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const read = readArguments(args);
  switch (read.kind) {
    case "help":
      process.stdout.write(helpText());
      return 0;
    case "list":
      process.stdout.write(listTools(ROOT));
      return 0;
    case "wrong":
      say(`${read.problem}\nscbe: see npm run get -- --help`);
      return WRONG_ARGUMENTS;
    case "get":
      return getAll(read.packages);
  }
}

/** One after the other; a failure does not stop the others. */
async function getAll(names: readonly string[]): Promise<number> {
  let exitCode = 0;
  for (const name of names) {
    const found = PACKAGES[name];
    if (found === undefined) continue;
    try {
      await getPackage(ROOT, found);
    } catch (error) {
      say(`${name} could not be brought: ${error instanceof Error ? error.message : String(error)}`);
      exitCode = FAILED;
    }
  }
  return exitCode;
}
