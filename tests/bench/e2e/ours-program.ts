import { randomBytes } from "node:crypto";
import { connect } from "@scbe/client";
import { startTracing } from "@scbe/service";
import { takeLoadOrders } from "./worker.ts";

/** An orchestrator as in production: sealing and opening in its own process. */
const body = randomBytes(1024);
const name = "orchestrator";
await startTracing({ name, version: "0.0.0" });
const client = await connect({ name });
takeLoadOrders(() =>
  client.request({ provider: "openai", model: "gpt-5", intent: "chat", body, timeoutMs: 10_000 }),
);
