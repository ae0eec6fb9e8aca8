import { type GrantRequest, type ListedUser, OPENING_TOKEN_INTENT } from "@scbe/contracts";
import { describe, expect, test } from "vitest";
import { mayAsk, type Served } from "./may-ask.ts";

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
/** The user whose question it is. */
const nameOf = ({ asker }: GrantRequest): string =>
  LIST.find(({ nkey }) => nkey === asker)?.name ?? "stranger";

const served: Served = {
  env: "dev",
  providers: ["openai", "anthropic"],
  intents: ["chat", "tools"],
  users: { byNkey: (nkey) => LIST.find((user) => user.nkey === nkey) },
};

function question(change: Partial<GrantRequest> = {}): GrantRequest {
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

describe("may ask", () => {
  test.each([
    ["a gateway for its provider and intent", question(), "openai"],
    ["a gateway for an old kid", question({ kid: "k0" }), "openai"],
    [
      "an orchestrator for any of its providers",
      question({ asker: ORCHESTRATOR, provider: "anthropic" }),
      "anthropic",
    ],
    [
      "an envelope service for the keys of opening tokens, whatever its list of intents",
      question({ asker: ENVELOPE, intent: OPENING_TOKEN_INTENT }),
      "openai",
    ],
    [
      "one without a list of intents for any that is served",
      question({ asker: ORCHESTRATOR, intent: "tools" }),
      "openai",
    ],
  ])("%s", (_case, asked, provider) => {
    const subject = { user: nameOf(asked), provider };
    expect(mayAsk(asked, subject, served)).toEqual({ ok: true, asker: served.users.byNkey(asked.asker) });
  });
});

describe("may not ask", () => {
  test.each([
    ["another environment", question({ env: "prod" }), "openai", "BAD_REQUEST", "env"],
    ["on another provider's subject", question(), "anthropic", "BAD_REQUEST", "subject's provider"],
    [
      "a provider that is not served, though it is on the asker's list",
      question({ asker: ORCHESTRATOR, provider: "xai" }),
      "xai",
      "BAD_REQUEST",
      "provider",
    ],
    ["an intent that is not served", question({ intent: "other" }), "openai", "BAD_REQUEST", "intent"],
    ["an nkey that is not on the list", question({ asker: STRANGER }), "openai", "FORBIDDEN", "asker"],
    [
      "a gateway for another provider",
      question({ provider: "anthropic" }),
      "anthropic",
      "FORBIDDEN",
      "user's provider",
    ],
    [
      "a gateway for an intent that is not its own",
      question({ intent: "tools" }),
      "openai",
      "FORBIDDEN",
      "user's intent",
    ],
    [
      "an orchestrator without a list of intents for the keys of opening tokens",
      question({ asker: ORCHESTRATOR, intent: OPENING_TOKEN_INTENT }),
      "openai",
      "FORBIDDEN",
      "reserved intent",
    ],
    [
      "a gateway for the keys of opening tokens",
      question({ intent: OPENING_TOKEN_INTENT }),
      "openai",
      "FORBIDDEN",
      "reserved intent",
    ],
    [
      "an envelope service for another reserved intent",
      question({ asker: ENVELOPE, intent: "scbe-other" }),
      "openai",
      "FORBIDDEN",
      "reserved intent",
    ],
    [
      "an envelope service for the keys of opening tokens of another provider",
      question({ asker: ENVELOPE, intent: OPENING_TOKEN_INTENT, provider: "anthropic" }),
      "anthropic",
      "FORBIDDEN",
      "user's provider",
    ],
    ["a service that needs no subkeys", question({ asker: GUARD }), "openai", "FORBIDDEN", "role"],
  ] as const)("%s", (_case, asked, provider, code, reason) => {
    const subject = { user: nameOf(asked), provider };
    expect(mayAsk(asked, subject, served)).toEqual({ ok: false, code, reason });
  });

  test("an nkey of another user than the one that the subject names", () => {
    expect(mayAsk(question(), { user: "orchestrator", provider: "openai" }, served)).toEqual({
      ok: false,
      code: "FORBIDDEN",
      reason: "subject's user",
    });
  });
});
