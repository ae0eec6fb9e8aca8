import { parseArgs } from "node:util";
import { EXIT_CODES } from "@scbe/service";
import { type ReplayedDecision, replayDecisions } from "./canary/replay.ts";

const HELP = `Repeats the decisions of a canary from its record alone, and says whether they come out the same.

  curl -s -H "Authorization: Bearer $ADMIN_TOKEN" http://127.0.0.1:7100/canary > record.json
  node services/rollback-controller/src/replay-canary.ts [--json] < record.json

Exit codes: 0 every decision is the same, 1 one differs, 2 the standard input has no record.
`;

const BYTES_MAX = 8 * 1024 * 1024;

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const { values } = parseArgs({
      options: { help: { type: "boolean", short: "h" }, json: { type: "boolean" } },
    });
    if (values.help === true) {
      process.stdout.write(HELP);
      return EXIT_CODES.stopped;
    }
    const found = replayDecisions(JSON.parse(await standardInput()));
    const text = values.json === true ? `${JSON.stringify(found)}\n` : found.map(describe).join("");
    process.stdout.write(text || "no step was decided yet\n");
    return found.every(({ same }) => same) ? EXIT_CODES.stopped : EXIT_CODES.failed;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    process.stderr.write(`there is no record of a canary on the standard input: ${why}\n${HELP}`);
    return EXIT_CODES.misused;
  }
}

async function standardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    size += chunk.length;
    if (size > BYTES_MAX) throw new Error(`it is longer than ${BYTES_MAX} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function describe({ provider, share, at, recorded, verdict, why, same }: ReplayedDecision): string {
  const head = `${new Date(at).toISOString()} ${provider} at ${share} %: ${recorded}`;
  const again = same ? "the same again" : `NOT the same again: ${verdict}`;
  return `${head}, ${again}\n${why.map((reason) => `  ${reason}\n`).join("")}`;
}
