import { describe, expect, it } from "vitest";
import { openApi } from "../src/api/open-api.ts";
import { ROUTES } from "../src/api/routes.ts";
import { startApi } from "./api-kit.ts";

/** Every `$ref` in a document. */
function refsIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "$ref" && typeof inner === "string" ? [inner] : refsIn(inner),
  );
}

function lookUp(document: unknown, ref: string): unknown {
  return ref
    .replace(/^#\//, "")
    .split("/")
    .reduce((at: unknown, key) => (at as Record<string, unknown> | undefined)?.[key], document);
}

describe("the API's description", () => {
  it("is served as it is committed", async () => {
    await using api = await startApi();
    expect((await api.ask("/openapi.json")).body).toEqual(JSON.parse(JSON.stringify(openApi())));
  });

  it("has every route, with its tokens, and nothing that it refers to is missing", () => {
    const document = openApi() as {
      paths: Record<string, Record<string, { security: unknown; operationId: string }>>;
    };
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
    expect(operations).toHaveLength(ROUTES.length);
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(ROUTES.length);
    expect(document.paths["/health/scbe"]?.get?.security).toEqual([]);
    expect(document.paths["/audit"]?.get?.security).toEqual([{ admin: [] }]);
    const refs = refsIn(document);
    expect(refs.length).toBeGreaterThan(20);
    expect(refs.filter((ref) => lookUp(document, ref) === undefined)).toEqual([]);
  });

  it("describes the real answers", async () => {
    await using api = await startApi();
    for (const route of ROUTES.filter(
      ({ access, path }) => access === "open" && path.startsWith("/health"),
    )) {
      const { body } = await api.ask(route.path);
      expect(route.answer.safeParse(body)).toMatchObject({ success: true, data: body });
    }
  });
});
