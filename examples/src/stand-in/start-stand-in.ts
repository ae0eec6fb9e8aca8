import { type FastifyInstance, type FastifyReply, fastify } from "fastify";
import { z } from "zod";
import { PROVIDER_NAMES, type ProviderName, standInUrl } from "../providers.ts";
import { anthropicDialect } from "./anthropic-dialect.ts";
import { type Dialect, Refusal } from "./dialect.ts";
import { geminiDialect } from "./gemini-dialect.ts";
import { openaiDialect } from "./openai-dialect.ts";
import { standInText } from "./transcript.ts";

export interface StandIn extends AsyncDisposable {
  readonly port: number;
  /** The value for `SCBE_STAND_IN_URL`. */
  readonly url: string;
}

/** The limit of the real API with the largest one. */
const BODY_BYTES_MAX = 32 * 1024 * 1024;

const DIALECTS: Readonly<Record<ProviderName, Dialect>> = {
  openai: openaiDialect(["max_tokens", "max_completion_tokens"]),
  anthropic: anthropicDialect,
  google: geminiDialect,
  groq: openaiDialect(["max_tokens", "max_completion_tokens"]),
  perplexity: openaiDialect(["max_tokens"]),
  xai: openaiDialect(["max_tokens", "max_completion_tokens"]),
};

/** Identifies it among other servers that may listen on a port. */
const STAND_IN = "scbe stand-in";

/**
 * Starts the local stand-in for all providers on 127.0.0.1: the API of each below `/<provider>`, as strict as the real one about headers and
 * form, and with the same answer to the same request. It has no model, and every answer says so. `PUT /failing` with
 * `{"providers": [...]}` makes these providers fail.
 * @param port 0: any free one
 * @throws Error of the system, with its `code`, when the port cannot be listened on
 */
export async function startStandIn(port: number): Promise<StandIn> {
  const server = fastify({ logger: false, bodyLimit: BODY_BYTES_MAX, forceCloseConnections: true });
  server.get("/healthz", () => ({ name: STAND_IN, status: "ok" }));
  const failing = new Set<string>();
  server.put("/failing", (request, reply) => {
    const named = Failing.safeParse(request.body);
    if (!named.success)
      return reply
        .code(400)
        .send({ error: `{"providers": [...]} is expected, each one of ${PROVIDER_NAMES.join(", ")}` });
    failing.clear();
    for (const provider of named.data.providers) failing.add(provider);
    return reply.code(204).send();
  });
  for (const provider of PROVIDER_NAMES) addProvider(server, provider, () => failing.has(provider));
  const url = await server.listen({ host: "127.0.0.1", port });
  return { url, port: Number(new URL(url).port), [Symbol.asyncDispose]: () => server.close() };
}

/** The providers that fail from now on; the others serve. */
const Failing = z.strictObject({ providers: z.array(z.enum(PROVIDER_NAMES)) });

function addProvider(server: FastifyInstance, provider: ProviderName, isFailing: () => boolean): void {
  const dialect = DIALECTS[provider];
  const prefix = new URL(standInUrl("http://stand-in", provider)).pathname;
  server.register(
    async (api) => {
      api.setErrorHandler((error, _request, reply) => refuse(reply, dialect, asRefusal(error)));
      api.setNotFoundHandler((request, reply) =>
        refuse(reply, dialect, new Refusal("unknown", `${request.method} ${request.url} is not found`)),
      );
      api.post("/*", (request, reply) => {
        if (isFailing()) return refuse(reply, dialect, new Refusal("failing", `${provider} is set to fail`));
        const path = (request.url.split("?", 1)[0] ?? "").slice(prefix.length);
        const parsed = dialect.read({ headers: request.headers, path, body: request.body });
        return reply.send(dialect.answer(parsed, standInText(provider, parsed.model, parsed.transcript)));
      });
    },
    { prefix },
  );
}

function refuse(reply: FastifyReply, dialect: Dialect, refusal: Refusal): FastifyReply {
  return reply.code(refusal.status).send(dialect.error(refusal));
}

/** The refusal for a request that fastify rejects before a dialect sees it. */
function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const status = error instanceof Error && "statusCode" in error ? error.statusCode : undefined;
  if (status === 413) return new Refusal("too large", `the body exceeds ${BODY_BYTES_MAX} bytes`);
  if (status === 400 || status === 415) return new Refusal("malformed", "the body is not JSON");
  throw error;
}
