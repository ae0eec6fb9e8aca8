import { randomBytes } from "node:crypto";
import { connect } from "@scbe/client";
import { takeLoadOrders } from "./load.ts";

/** An orchestrator as in production: sealing and opening in its own process. */
const body = randomBytes(1024);
const client = await connect({ name: "orchestrator" });
takeLoadOrders(() =>
  client.request({ provider: "openai", model: "gpt-5", intent: "chat", body, timeoutMs: 10_000 }),
);
