import { expect, test } from "vitest";
import { encryptionContext } from "./encryption-context.ts";

test("a data key is bound to the product, its environment and its kid", () => {
  expect(encryptionContext("staging", "k1")).toEqual({ app: "scbe", env: "staging", kid: "k1" });
});
