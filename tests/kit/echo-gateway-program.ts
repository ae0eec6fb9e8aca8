import { connect } from "@scbe/client";
import { startTracing } from "@scbe/service";

/** A gateway that echoes, as a process that a test can freeze and kill. It prints `serving` when it is in its queue group. */
const provider = process.env.GATEWAY_PROVIDER ?? "openai";
const name = `gateway-${provider}`;
await startTracing({ name, version: "0.0.0" });
const client = await connect({ name, role: "gateway", providers: [provider] });
await client.serve({
  provider,
  handler: ({ body, header }) => ({ body, contentType: header.content_type }),
});
process.stdout.write("serving\n");
process.once("SIGTERM", () => void client[Symbol.asyncDispose]().then(() => process.exit(0)));
process.once("disconnect", () => process.exit(0));
