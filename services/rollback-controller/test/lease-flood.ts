import { randomBytes } from "node:crypto";
import { connectBus, type Transport } from "@scbe/bus";
import { type LeaseRequest, subjectOf, writeMessage } from "@scbe/contracts";
import { createLogger } from "@scbe/service";

/*
 * One user that requests leases as fast as it can, in its own process.
 *
 *   node lease-flood.ts <transport as JSON> <user> <requests> <members of each request, as JSON; default: an id of its own> [bytes behind each]
 *
 * It prints `asking` before the first request, and `asked` when the server has all of them.
 */
const [, , transport = "", user = "", count = "", what = "{}", padding = "0"] = process.argv;
const log = createLogger({ name: user, level: "silent" });
await using bus = await connectBus({ ...(JSON.parse(transport) as Transport), name: user, log });
const said = JSON.parse(what) as Partial<LeaseRequest>;
const spaces = Buffer.alloc(Number(padding), 0x20);
const subject = subjectOf("controlLease", { user });
const EVERY = 200;

process.stdout.write("asking\n");
for (let n = 0; n < Number(count); n += 1) {
  const nonce = randomBytes(16).toString("base64url");
  const question = { v: 1, nonce, verifier: crypto.randomUUID(), held: null, fallback: false, ...said };
  const data = Buffer.concat([writeMessage(question), spaces]);
  using _ = bus.exchange(subject, data, { onAnswer: () => undefined, onFailure: () => undefined });
  if (n % EVERY === 0) await bus.flush();
}
await bus.flush();
process.stdout.write("asked\n");
