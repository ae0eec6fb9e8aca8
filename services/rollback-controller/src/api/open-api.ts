import { z } from "zod";
import { ProblemBody } from "./refusal.ts";
import type { ApiRoute } from "./route.ts";
import { ROUTES } from "./routes.ts";
import { ROLES } from "./tokens.ts";

type Json = Readonly<Record<string, unknown>>;

const MEDIA_TYPE = "application/json";

const REFUSALS: Readonly<Record<number, string>> = {
  400: "The body or the query is wrong; nothing was changed",
  401: "There is no token, or one that is not known",
  403: "The token may not do this",
  409: "It conflicts with the current state, or another change came first",
  413: "The body is too large",
  429: "Too many requests in a minute; retry-after says how long to wait",
  503: "What this needs is away, or was not read yet",
};

/** The API in OpenAPI 3.1, made from the schemas that check requests. */
export function openApi(): Json {
  const schemas = new Schemas();
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of ROUTES) {
    const operations = paths[route.path] ?? {};
    paths[route.path] = { ...operations, [route.method.toLowerCase()]: operationOf(route, schemas) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "SCBE control API",
      version: "1",
      description:
        "Flags, kill switch, canary and rollback. JSON is read whatever the content type says. Errors are told by `code`.",
    },
    paths,
    components: {
      securitySchemes: securitySchemes(),
      responses: refusalResponses(schemas),
      schemas: schemas.all,
    },
  };
}

function operationOf(route: ApiRoute, schemas: Schemas): Json {
  const { summary, description, access, body, query, answer, mayBeLate } = route;
  const refusals = statusesOf(route).map((status) => [status, { $ref: `#/components/responses/${status}` }]);
  return {
    summary,
    ...(description !== undefined && { description }),
    operationId: operationId(route),
    security: access === "open" ? [] : access.map((name) => ({ [name]: [] })),
    ...(query !== undefined && { parameters: parametersOf(schemas.of(query)) }),
    ...(body !== undefined && { requestBody: requestBody(body, schemas) }),
    responses: {
      200: response("Done", schemas.of(answer)),
      ...(mayBeLate && { 202: response("Taken, and not done yet", schemas.of(answer)) }),
      ...Object.fromEntries(refusals),
    },
  };
}

function requestBody(body: NonNullable<ApiRoute["body"]>, schemas: Schemas): Json {
  const schema = body === "stream" ? { type: "object" } : schemas.of(body);
  return { required: true, content: { [MEDIA_TYPE]: { schema } } };
}

function response(description: string, schema: Json): Json {
  return { description, content: { [MEDIA_TYPE]: { schema } } };
}

function refusalResponses(schemas: Schemas): Json {
  const problem = schemas.of(ProblemBody);
  return Object.fromEntries(
    Object.entries(REFUSALS).map(([status, description]) => [status, response(description, problem)]),
  );
}

function statusesOf({ access, body, query, refuses = [] }: ApiRoute): readonly number[] {
  const found = new Set([429, ...refuses]);
  if (access !== "open") for (const status of [401, 403]) found.add(status);
  if (body !== undefined) found.add(400);
  if (body !== undefined && body !== "stream") found.add(413);
  if (query !== undefined) found.add(400);
  return [...found].sort((one, other) => one - other);
}

function parametersOf({ properties, required = [] }: Json): readonly Json[] {
  const names = Object.entries(properties as Record<string, Json>);
  return names.map(([name, schema]) => ({
    name,
    in: "query",
    required: (required as readonly string[]).includes(name),
    schema,
  }));
}

function operationId({ method, path }: ApiRoute): string {
  const words = path.split(/[^a-z]+/).filter((word) => word !== "");
  return [method.toLowerCase(), ...words.map((word) => word[0]?.toUpperCase() + word.slice(1))].join("");
}

function securitySchemes(): Json {
  return Object.fromEntries(ROLES.map((name) => [name, { type: "http", scheme: "bearer" }]));
}

/**
 * Collects schemas with an id once, and refers to them. Answers are described as input too, which permits further fields: later versions
 * may add some.
 */
class Schemas {
  readonly all: Record<string, Json> = {};

  of(schema: z.ZodType): Json {
    const {
      $schema: _dialect,
      $defs = {},
      ...own
    } = JSON.parse(
      JSON.stringify(z.toJSONSchema(schema, { io: "input" })).replaceAll("#/$defs/", "#/components/schemas/"),
    ) as Json & { $defs?: Record<string, Json> };
    for (const [name, definition] of Object.entries($defs)) this.all[name] = definition;
    return own;
  }
}
