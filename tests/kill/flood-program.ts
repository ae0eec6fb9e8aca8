import { setTimeout as delay } from "node:timers/promises";
import { connectProbe } from "@scbe/testkit";
import type { FloodPlan } from "./flood.ts";

/*
 * A user that publishes a fixed number of messages a second, without waiting for replies, until it is killed.
 *
 *   node flood-program.ts <FloodPlan as JSON>
 *
 * It prints `flooding` when it begins, and the number of sent messages ten times a second.
 */
const [, , text = ""] = process.argv;
const { name, role, transport, perSecond, messages } = JSON.parse(text) as FloodPlan;
const probe = await connectProbe({ name, transport });

const EVERY_MS = 5;
const REPORT_EVERY_MS = 100;
const startedAt = performance.now();
let [sent, reportedAt] = [0, startedAt];
process.stdout.write("flooding\n0\n");
for (;;) {
  const due = Math.ceil(((performance.now() - startedAt) / 1000) * perSecond);
  for (; sent < due; sent += 1) publish(sent);
  if (performance.now() - reportedAt >= REPORT_EVERY_MS) {
    process.stdout.write(`${sent}\n`);
    reportedAt = performance.now();
  }
  await delay(EVERY_MS);
}

function publish(nth: number): void {
  const message = messages[nth % messages.length];
  if (message === undefined) throw new Error("a flood needs a message");
  const { subject, data, reply = `_INBOX.${role}.${name}.${nth}` } = message;
  const bytes = data.replaceAll("NONCE", Buffer.from(`flood-${nth}`.padEnd(16, "-")).toString("base64url"));
  probe.send(subject, bytes, reply);
}
