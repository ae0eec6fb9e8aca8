import type { OpeningKeys, Subkeys, TagCheck } from "@scbe/envelope";
import { expect, test } from "vitest";
import { FailedOpens } from "./observers.ts";

/** Keys by kid: this test only needs to know whether a key is held. */
function setup(...kids: string[]) {
  const held = new Set(kids);
  const keys: OpeningKeys = { find: (kid) => (held.has(kid) ? ({ kid } as Subkeys) : undefined) };
  const failed = new FailedOpens(keys);
  const note = (kid: string, more: Partial<TagCheck> = {}): void =>
    failed.note({ phase: "request", provider: "openai", intent: "chat", kid, verified: false, ...more });
  return { held, failed, note };
}

test("failed opens: the highest count is that of one key, one phase and one provider", () => {
  const { failed, note } = setup("k1", "k2");
  for (const kid of ["k1", "k2", "k2", "k2"]) note(kid);
  note("k2", { intent: "embed" });
  note("k1", { phase: "response" });
  expect(failed.most("request", "openai")).toBe(3);
  expect(failed.most("response", "openai")).toBe(1);
  expect(failed.most("request", "xai")).toBe(0);
});

test("failed opens: tags that verify are not counted", () => {
  const { failed, note } = setup("k1");
  note("k1", { verified: true });
  expect(failed.most("request", "openai")).toBe(0);
});

test("failed opens: a key that is no longer held is forgotten, and starts again at 0", () => {
  const { held, failed, note } = setup("k1");
  note("k1");
  held.delete("k1");
  expect(failed.most("request", "openai")).toBe(0);
  held.add("k1");
  expect(failed.most("request", "openai")).toBe(0);
});
