import { type Environment, OPENING_TOKEN_INTENT } from "@scbe/contracts";
import { describe, expect, test } from "vitest";
import { CONTEXT, NOW_MS } from "../test/craft.ts";
import { subkeysOf, TestClock, TestKeys } from "../test/fixtures.ts";
import { OpeningTokens, type TokenFacts } from "./opening-tokens.ts";

const RESERVED = { ...CONTEXT, intent: OPENING_TOKEN_INTENT };
const FACTS: TokenFacts = {
  user: "orchestrator",
  provider: "openai",
  intent: "chat",
  hash: Buffer.alloc(32, 7),
};
const EXPIRES_AT = NOW_MS + 300_000;

/** Made with another implementation of HMAC-SHA-256, Python's hmac, by the formulas of docs/spec/envelope-v1.md. */
const KNOWN = "k1.1767225912345.R4oIKouvugWqPsrpE5Q0xjj28LeT7NP2DYNRfe1A3xA";

function newTokens(keys = new TestKeys(subkeysOf({ context: RESERVED })), env: Environment = "dev") {
  const clock = new TestClock();
  return { tokens: new OpeningTokens({ keys, clock, env }), keys, clock };
}

describe("an opening token", () => {
  test("of a known key has the known text", () => {
    expect(newTokens().tokens.issue(FACTS, EXPIRES_AT)).toBe(KNOWN);
  });

  test("of one replica is accepted by every other one with the same key", () => {
    expect(newTokens().tokens.judge(newTokens().tokens.issue(FACTS, EXPIRES_AT), FACTS)).toBe("taken");
  });

  test("is accepted up to its expiry, and not a millisecond longer", () => {
    const { tokens, clock } = newTokens();
    clock.nowMs = EXPIRES_AT;
    expect(tokens.judge(KNOWN, FACTS)).toBe("taken");
    clock.nowMs = EXPIRES_AT + 1;
    expect(tokens.judge(KNOWN, FACTS)).toBe("expired");
  });

  test.each<[string, Partial<TokenFacts>]>([
    ["user", { user: "other" }],
    ["intent", { intent: "tools" }],
    ["request", { hash: Buffer.alloc(32, 8) }],
    ["user and intent, of the same letters", { user: "orchestratorc", intent: "hat" }],
  ])("is foreign for another %s", (_what, change) => {
    expect(newTokens().tokens.judge(KNOWN, { ...FACTS, ...change })).toBe("foreign");
  });

  test("is foreign for another provider and in another environment, which have other keys", () => {
    const ofXai = subkeysOf({ context: { ...RESERVED, provider: "xai" } });
    const facts = { ...FACTS, provider: "xai" };
    expect(newTokens(new TestKeys(ofXai)).tokens.judge(KNOWN, facts)).toBe("foreign");
    const ofProd = subkeysOf({ context: { ...RESERVED, env: "prod" } });
    expect(newTokens(new TestKeys(ofProd), "prod").tokens.judge(KNOWN, FACTS)).toBe("foreign");
    expect(newTokens(new TestKeys(ofProd)).tokens.judge(KNOWN, FACTS)).toBe("unknown_key");
  });

  test("with any character changed is not accepted", () => {
    const { tokens } = newTokens();
    for (let at = 0; at < KNOWN.length; at += 1) {
      for (const other of ["A", "1", "."]) {
        if (KNOWN[at] === other) continue;
        const changed = KNOWN.slice(0, at) + other + KNOWN.slice(at + 1);
        expect(tokens.judge(changed, FACTS), changed).not.toBe("taken");
      }
    }
  });

  test.each([
    ["nothing", ""],
    ["more before it", ` ${KNOWN}`],
    ["more behind it", `${KNOWN}\n`],
    ["an expiry of another form", KNOWN.replace("1767225912345", "01767225912345")],
    ["a MAC that is cut", KNOWN.slice(0, -1)],
    ["a MAC whose last character has other spare bits", KNOWN.replace(/A$/, "B")],
    ["100,000 characters", "k".repeat(100_000)],
  ])("is malformed: %s", (_what, token) => {
    expect(newTokens().tokens.judge(token, FACTS)).toBe("malformed");
  });

  test("cannot be made with the subkeys that seal and open envelopes", () => {
    const { encKey, nonceKey } = subkeysOf();
    const stolen = { ...subkeysOf({ context: RESERVED }), encKey, nonceKey };
    const forged = newTokens(new TestKeys(stolen)).tokens.issue(FACTS, EXPIRES_AT);
    expect(newTokens().tokens.judge(forged, FACTS)).toBe("foreign");
  });

  test("of a former key is accepted while that key is held, whichever key is active", () => {
    const former = subkeysOf({ context: RESERVED });
    const active = subkeysOf({ context: RESERVED, kid: "k2", ikm: Buffer.alloc(32, 9) });
    const { tokens, keys } = newTokens(new TestKeys(active, former));
    expect(tokens.issue(FACTS, EXPIRES_AT)).toMatch(/^k2\./);
    expect(tokens.judge(KNOWN, FACTS)).toBe("taken");
    keys.held = [active];
    expect(tokens.judge(KNOWN, FACTS)).toBe("unknown_key");
  });

  test("cannot be made without an active key", () => {
    const { tokens } = newTokens(new TestKeys(subkeysOf()));
    expect(() => tokens.issue(FACTS, EXPIRES_AT)).toThrow(expect.objectContaining({ code: "NO_KEYS" }));
  });
});
