import { connect } from "@scbe/client";
import { createLogger, startTracing } from "@scbe/service";

/**
 * A traced gateway as a process that a test can freeze, for a made-up provider. It serves only `chat`, echoes, and fails on the
 * body `fail`. It logs `serving` when it is in its queue group.
 */
const provider = process.env.GATEWAY_PROVIDER ?? "traced";
const name = `gateway-${provider}`;
const log = createLogger({ name, level: "info" });
const tracing = await startTracing({ name, version: "0.0.0", log });
const client = await connect({ name, role: "gateway", providers: [provider], log });
await client.serve({
  provider,
  intents: ["chat"],
  handler: ({ body, header }) => {
    if (Buffer.from(body).equals(Buffer.from("fail"))) throw new Error("the handler fails on purpose");
    return { body, contentType: header.content_type };
  },
});
log.info("serving");
process.once("SIGTERM", async () => {
  await client[Symbol.asyncDispose]();
  await tracing[Symbol.asyncDispose]();
  process.exit(0);
});
process.once("disconnect", () => process.exit(0));
