import { type GrantRequest, type ListedUser, OPENING_TOKEN_INTENT } from "@scbe/contracts";
import { describe, expect, test } from "vitest";
import { DECRYPT_ONLY_MAX_MS, decryptOnly, ringKey, ringOf, T } from "../../test/rings.ts";
import { authorizeGrant, chooseKey, type Served } from "./judge-grant-request.ts";

const ORCHESTRATOR = `U${"A".repeat(55)}`;
const GATEWAY = `U${"B".repeat(55)}`;
const GUARD = `U${"D".repeat(55)}`;
const ENVELOPE = `U${"E".repeat(55)}`;
const STRANGER = `U${"C".repeat(55)}`;

const LIST: ListedUser[] = [
  {
    name: "orchestrator",
    nkey: ORCHESTRATOR,
    role: "orchestrator",
    providers: ["openai", "anthropic", "xai"],
  },
  { name: "gateway", nkey: GATEWAY, role: "gateway", providers: ["openai"], intents: ["chat"] },
  { name: "envelope", nkey: ENVELOPE, role: "envelope", providers: ["openai"], intents: ["chat"] },
  { name: "replay-guard", nkey: GUARD, role: "replay-guard", providers: ["openai"] },
];
/** The user that sends the request. */
const nameOf = ({ asker }: GrantRequest): string =>
  LIST.find(({ nkey }) => nkey === asker)?.name ?? "stranger";

const served: Served = {
  env: "dev",
  providers: ["openai", "anthropic"],
  intents: ["chat", "tools"],
  users: { byNkey: (nkey) => LIST.find((user) => user.nkey === nkey) },
};

function request(change: Partial<GrantRequest> = {}): GrantRequest {
  return {
    v: 1,
    env: "dev",
    provider: "openai",
    intent: "chat",
    kid: "",
    asker: GATEWAY,
    public_key: "",
    signature: "",
    ...change,
  };
}

describe("authorized", () => {
  test.each([
    ["a gateway for its provider and intent", request(), "openai"],
    ["a gateway for an old kid", request({ kid: "k0" }), "openai"],
    [
      "an orchestrator for any of its providers",
      request({ asker: ORCHESTRATOR, provider: "anthropic" }),
      "anthropic",
    ],
    [
      "an envelope service for the keys of opening tokens, whatever its list of intents",
      request({ asker: ENVELOPE, intent: OPENING_TOKEN_INTENT }),
      "openai",
    ],
    [
      "a user without a list of intents for any intent that is served",
      request({ asker: ORCHESTRATOR, intent: "tools" }),
      "openai",
    ],
  ])("%s", (_case, sent, provider) => {
    const subject = { user: nameOf(sent), provider };
    expect(authorizeGrant(sent, subject, served)).toEqual({
      ok: true,
      asker: served.users.byNkey(sent.asker),
    });
  });
});

describe("not authorized", () => {
  test.each([
    ["another environment", request({ env: "prod" }), "openai", "BAD_REQUEST", "env"],
    ["on another provider's subject", request(), "anthropic", "BAD_REQUEST", "subject's provider"],
    [
      "a provider that is not served, though it is on the user's list",
      request({ asker: ORCHESTRATOR, provider: "xai" }),
      "xai",
      "BAD_REQUEST",
      "provider",
    ],
    ["an intent that is not served", request({ intent: "other" }), "openai", "BAD_REQUEST", "intent"],
    ["an nkey that is not on the list", request({ asker: STRANGER }), "openai", "FORBIDDEN", "asker"],
    [
      "a gateway for another provider",
      request({ provider: "anthropic" }),
      "anthropic",
      "FORBIDDEN",
      "user's provider",
    ],
    [
      "a gateway for an intent of other users",
      request({ intent: "tools" }),
      "openai",
      "FORBIDDEN",
      "user's intent",
    ],
    [
      "an orchestrator without a list of intents for the keys of opening tokens",
      request({ asker: ORCHESTRATOR, intent: OPENING_TOKEN_INTENT }),
      "openai",
      "FORBIDDEN",
      "reserved intent",
    ],
    [
      "a gateway for the keys of opening tokens",
      request({ intent: OPENING_TOKEN_INTENT }),
      "openai",
      "FORBIDDEN",
      "reserved intent",
    ],
    [
      "an envelope service for another reserved intent",
      request({ asker: ENVELOPE, intent: "scbe-other" }),
      "openai",
      "FORBIDDEN",
      "reserved intent",
    ],
    [
      "an envelope service for the keys of opening tokens of another provider",
      request({ asker: ENVELOPE, intent: OPENING_TOKEN_INTENT, provider: "anthropic" }),
      "anthropic",
      "FORBIDDEN",
      "user's provider",
    ],
    ["a service that needs no subkeys", request({ asker: GUARD }), "openai", "FORBIDDEN", "role"],
  ] as const)("%s", (_case, sent, provider, code, reason) => {
    const subject = { user: nameOf(sent), provider };
    expect(authorizeGrant(sent, subject, served)).toEqual({ ok: false, code, reason });
  });

  test("an nkey of another user than the one in the subject", () => {
    expect(authorizeGrant(request(), { user: "orchestrator", provider: "openai" }, served)).toEqual({
      ok: false,
      code: "FORBIDDEN",
      reason: "subject's user",
    });
  });
});

const ring = ringOf([
  ringKey(),
  decryptOnly(T - 1000),
  ringKey({ kid: "gone", state: "retired", wrapped: null }),
  ringKey({ kid: "stolen", state: "compromised", wrapped: null }),
]);
const at = (nowMs: number) => ({ nowMs, decryptOnlyMaxMs: DECRYPT_ONLY_MAX_MS });

test("a request without a kid is for the active key", () => {
  expect(chooseKey(ring, "", at(T))).toEqual({
    kid: "k1",
    state: "active",
    not_after: null,
    ring_generation: 7,
  });
});

test("a request with a kid is for that key, while it opens", () => {
  const end = T - 1000 + DECRYPT_ONLY_MAX_MS;
  const expected = { kid: "k0", state: "decrypt-only", not_after: end, ring_generation: 7 };
  expect(chooseKey(ring, "k1", at(T))).toMatchObject({ kid: "k1", state: "active" });
  expect(chooseKey(ring, "k0", at(end - 1))).toEqual(expected);
});

test.each([
  ["a decrypt-only key that has reached its end", "k0", T - 1000 + DECRYPT_ONLY_MAX_MS],
  ["a retired key", "gone", T],
  ["a compromised key", "stolen", T],
  ["an unknown kid", "k2", T],
])("%s is not granted", (_case, kid, nowMs) => {
  expect(chooseKey(ring, kid, at(nowMs))).toBeUndefined();
});

test("without an active key, no other key replaces it", () => {
  expect(chooseKey(ringOf([decryptOnly(T)]), "", at(T))).toBeUndefined();
  expect(chooseKey(ringOf([ringKey({ not_after: T })]), "", at(T))).toBeUndefined();
});
