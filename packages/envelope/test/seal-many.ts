import { REQUEST_ID } from "./craft.ts";
import { newSealer, subkeysOf, TestClock, TestKeys } from "./fixtures.ts";

/*
 * A process that seals requests with the same keys as every other such process, and writes the session id and nonce of each,
 * 44 bytes, to stdout. Arguments: the number of sealers, and of requests for each.
 */

const RECORD_BYTES = 44;
const EMPTY = Buffer.alloc(0);
const ENDS_AT = 4096;

const [sealers, each] = process.argv.slice(2).map(Number);
if (sealers === undefined || each === undefined) throw new Error("how many sealers, how many requests each?");

const records = Buffer.alloc(sealers * each * RECORD_BYTES);
// One clock and one set of keys: only the sealers' own random bytes keep their sessions apart.
const shared = { clock: new TestClock(), keys: new TestKeys(subkeysOf()), counterLimit: ENDS_AT };
const all = Array.from({ length: sealers }, () => newSealer(shared).sealer);
const request = { provider: "openai", intent: "chat", model: "m", requestId: REQUEST_ID, body: EMPTY };
let at = 0;
for (let index = 0; index < each; index += 1) {
  for (const sealer of all) {
    const { header } = sealer.sealRequest(request);
    records.write(header.session_id, at, "base64url");
    records.write(header.nonce, at + 32, "base64url");
    at += RECORD_BYTES;
  }
}
process.stdout.write(records);
