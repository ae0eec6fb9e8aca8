import { expect, test } from "vitest";
import { ERROR_CODES, type ErrorCode, ScbeError, serviceErrorHeaders } from "./errors.ts";
import { HEADERS, readAnswer, STATUS } from "./headers.ts";

const of = (headers: Readonly<Record<string, string>>) => (name: string) => headers[name];

test("a status gives the kind of an answer; one that is not due, or unknown, is ignored", () => {
  const read = (due: "sealed" | "unsealed") =>
    Object.values(STATUS).map((status) => readAnswer(of({ [HEADERS.status]: status }), due));
  expect(read("sealed")).toEqual(["accepted", "busy", "answer", "none", "none", "refused"]);
  expect(read("unsealed")).toEqual(["accepted", "busy", "none", "none", "answer", "refused"]);
});

test("every code of an error but three reads as not_ready", () => {
  const codes = Object.keys(ERROR_CODES) as ErrorCode[];
  const kinds = codes.map((code) => [
    code,
    readAnswer(of(serviceErrorHeaders(new ScbeError(code, "why"))), "sealed"),
  ]);
  const others = kinds.filter(([, kind]) => kind !== "not_ready");
  expect(Object.fromEntries(others)).toEqual({
    BUSY: "busy",
    SWITCHED_OFF: "switched_off",
    INTERNAL: "internal",
  });
});
