import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ProblemBody } from "../src/api/refusal.ts";
import { ROUTES } from "../src/api/routes.ts";
import { ADMIN, startApi, type TestApi } from "./api-kit.ts";

/** Bodies that no route takes. */
const WRONG = [
  "",
  "{",
  "[]",
  "NaN",
  '{"reason": "a", "reason": "b"}',
  '{"__proto__": {}}',
  '{"unknown": 1}',
  "[".repeat(20) + "]".repeat(20),
] as const;

/** What every route that reads JSON answers to a wrong body or query. */
describe("the field errors of", () => {
  let api: TestApi;
  beforeAll(async () => {
    // None of the ports is called: a wrong body reaches no handler.
    const unused = {} as never;
    api = await startApi({ canary: unused, trust: unused, webhook: unused, firings: unused });
  });
  afterAll(() => api[Symbol.asyncDispose]());

  const expectFields = async (path: string, body?: string): Promise<void> => {
    const answer = await api.ask(path, { token: ADMIN, ...(body !== undefined && { body }) });
    expect([answer.status, answer.body.code, answer.body.fields.length > 0]).toEqual([
      400,
      "BAD_REQUEST",
      true,
    ]);
    expect(ProblemBody.strict().safeParse(answer.body).error).toBeUndefined();
    for (const field of answer.body.fields)
      expect(Object.keys(field).toSorted()).toEqual(["field", "problem"]);
  };

  const posts = ROUTES.filter(({ body }) => body !== undefined && body !== "stream");
  test.each(posts.map(({ path }) => path))("POST %s have field and problem, and no more", async (path) => {
    for (const body of WRONG) await expectFields(path, body);
  });

  const queried = ROUTES.filter(({ query }) => query !== undefined);
  test.each(queried.map(({ path }) => path))("GET %s likewise", async (path) => {
    await expectFields(`${path}?unknown=1`);
  });
});
