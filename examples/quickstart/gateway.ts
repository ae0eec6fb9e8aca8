import { type Client, connect, type Gateway, type Handler } from "@scbe/client";

const provider = process.argv[2] ?? "openai";
const client: Client = await connect({ name: `gateway-${provider}`, role: "gateway", providers: [provider] });
/** Call the provider's API here; this handler answers with the request's own body. */
const handler: Handler = ({ body }) => ({ body, contentType: "application/json" });
const gateway: Gateway = await client.serve({ provider, handler });
process.stderr.write(`gateway of ${provider} ${gateway.joined ? "is serving" : "is not ready yet"}\n`);
const stop = (): void => void client[Symbol.asyncDispose]();
process.once("SIGINT", stop);
process.once("SIGTERM", stop);
