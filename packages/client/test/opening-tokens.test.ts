import { OPENING_TOKEN_INTENT } from "@scbe/contracts";
import type { OpeningTokens, TokenFacts } from "@scbe/envelope";
import { createTestHost, type Deployment, eventually, startDeployment } from "@scbe/testkit";
import { openVerifier, type Verifier } from "@scbe/verifier";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readClientConfig } from "../src/config.ts";

let deployment: Deployment;

beforeAll(async () => {
  deployment = await startDeployment();
});
afterAll(() => deployment[Symbol.asyncDispose]());
beforeEach(() => deployment.keyring.set({ k1: { state: "active" } }));

const FACTS: TokenFacts = { user: "a", provider: "openai", intent: "chat", hash: Buffer.alloc(32, 7) };
const inAMinute = (): number => Date.now() + 60_000;

/** A verifier with its keys. */
async function newVerifier(as: "envelope" | "orchestrator"): Promise<Verifier> {
  const stack = new AsyncDisposableStack();
  const host = stack.use(await createTestHost({ transport: deployment.transport(as), name: as }));
  const verifier = openVerifier(host, readClientConfig(deployment.options(as)), { as });
  stack.use(verifier);
  await eventually(
    async () => {
      await deployment.keyring.broadcast();
      return host.readiness.ready;
    },
    { timeoutMs: 20_000 },
  );
  return { ...verifier, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function tokensOf({ openingTokens }: Verifier): OpeningTokens {
  if (openingTokens === undefined) throw new Error("it has no opening tokens");
  return openingTokens;
}

describe("opening tokens of envelope services", () => {
  test("are accepted by every replica, whichever issued them, even after a restart", async () => {
    await using first = await newVerifier("envelope");
    const tokens = [tokensOf(first).issue(FACTS, inAMinute())];
    {
      await using second = await newVerifier("envelope");
      expect(tokensOf(second).judge(tokens[0] ?? "", FACTS)).toBe("taken");
      tokens.push(tokensOf(second).issue(FACTS, inAMinute()));
    }
    await using restarted = await newVerifier("envelope");
    for (const token of tokens) {
      expect(tokensOf(first).judge(token, FACTS)).toBe("taken");
      expect(tokensOf(restarted).judge(token, FACTS)).toBe("taken");
    }
  });

  test("of a former key are accepted only while it is decrypt-only", async () => {
    await using verifier = await newVerifier("envelope");
    const tokens = tokensOf(verifier);
    const old = tokens.issue(FACTS, inAMinute());
    expect(old).toMatch(/^k1\./);
    deployment.keyring.set({ k1: { state: "decrypt-only", notAfter: inAMinute() }, k2: { state: "active" } });
    await deployment.keyring.broadcast();
    await eventually(() => tokens.issue(FACTS, inAMinute()).startsWith("k2."));
    expect(tokens.judge(old, FACTS)).toBe("taken");
    deployment.keyring.set({ k1: { state: "retired" }, k2: { state: "active" } });
    await deployment.keyring.broadcast();
    await eventually(() => tokens.judge(old, FACTS) === "unknown_key");
    expect(tokens.judge(tokens.issue(FACTS, inAMinute()), FACTS)).toBe("taken");
  });
});

test("an orchestrator neither has opening tokens nor fetches their keys", async () => {
  const before = deployment.keyring.asked.length;
  await using verifier = await newVerifier("orchestrator");
  expect(verifier.openingTokens).toBeUndefined();
  const intents = deployment.keyring.asked.slice(before).map(({ intent }) => intent);
  expect(intents).toContain("chat");
  expect(intents).not.toContain(OPENING_TOKEN_INTENT);
});
