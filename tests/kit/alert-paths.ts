import { randomUUID } from "node:crypto";
import { BUCKETS, KV_KEYS, type NonceReuseEvent, subjectOf, writeMessage } from "@scbe/contracts";
import { createStoreHost, eventually } from "@scbe/testkit";
import type { System } from "./system.ts";

/** Reports a nonce reuse as a replay guard does, which no guard counts, so that no alert can follow. */
export async function reportReuse(system: System, provider: string): Promise<void> {
  await using guard = await createStoreHost(system.nats, "replay-guard");
  const event: NonceReuseEvent = {
    v: 1,
    id: randomUUID(),
    env: "dev",
    provider,
    session: "c2Vzc2lvbg",
    counter: 1,
    seen_at: Date.now(),
  };
  const data = writeMessage(event);
  const subject = subjectOf("nonceReuse", { provider });
  await guard.store.publishAcknowledged(subject, data, { id: event.id, timeoutMs: 5000 });
  guard.bus.publish(subject, data);
  await guard.bus.flush();
}

/** Makes what was heard of nonce reuse at these providers begin so much earlier, in the controllers' record. Waits until there is such. */
export async function ageIncidents(
  system: System,
  providers: readonly string[],
  byMs: number,
): Promise<void> {
  await using host = await createStoreHost(system.nats, "rollback-controller");
  const bucket = await host.store.bucket(BUCKETS.control);
  // A controller may write meanwhile: then once more, on what it wrote.
  await eventually(async () => {
    const entry = await bucket.get(KV_KEYS.acted);
    if (entry === undefined) return false;
    const state = JSON.parse(Buffer.from(entry.value).toString("utf8"));
    for (const provider of providers) {
      const incident = state.incidents[provider];
      if (incident === undefined) return false;
      incident.at -= byMs;
    }
    await bucket.update(KV_KEYS.acted, Buffer.from(JSON.stringify(state)), entry.revision);
    return true;
  });
}
