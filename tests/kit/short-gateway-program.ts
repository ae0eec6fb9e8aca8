import { connect } from "@scbe/client";
import { startOpsServer } from "@scbe/service";
import { Registry } from "prom-client";

/** A gateway with short answers, as a process that a test can freeze. It prints its ops port. */
const provider = process.env.GATEWAY_PROVIDER ?? "openai";
const metrics = new Registry();
const client = await connect({
  name: `gateway-${provider}`,
  role: "gateway",
  providers: [provider],
  metrics,
});
const body = Buffer.from("Hello to you");
await client.serve({ provider, handler: () => ({ body, contentType: "text/plain" }) });
const ops = await startOpsServer({ host: "127.0.0.1", port: 0, metrics, readiness: client.readiness });
process.stdout.write(`serving, ops port ${ops.port}\n`);
process.once("disconnect", () => process.exit(0));
