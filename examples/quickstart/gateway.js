import { connect } from "@scbe/client";

const provider = process.argv[2] ?? "openai";
const client = await connect({ name: `gateway-${provider}`, role: "gateway", providers: [provider] });
await client.serve({
  provider,
  // Call the provider's API here; this handler answers with the request's own body.
  handler: ({ body }) => ({ body, contentType: "application/json" }),
});
process.stderr.write(`gateway of ${provider} is serving\n`);
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void client[Symbol.asyncDispose]());
