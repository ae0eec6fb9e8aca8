import type { GrantQuestion } from "@scbe/contracts";
import { describe, expect, test } from "vitest";
import { mayAsk, type Served } from "./may-ask.ts";

const ORCHESTRATOR = `U${"A".repeat(55)}`;
const GATEWAY = `U${"B".repeat(55)}`;
const STRANGER = `U${"C".repeat(55)}`;

const served: Served = {
  env: "dev",
  providers: ["openai", "anthropic"],
  intents: ["chat", "tools"],
  askers: new Map([
    [ORCHESTRATOR, { nkey: ORCHESTRATOR, role: "orchestrator", providers: ["openai", "anthropic", "xai"] }],
    [GATEWAY, { nkey: GATEWAY, role: "gateway", providers: ["openai"], intents: ["chat"] }],
  ]),
};

function question(change: Partial<GrantQuestion> = {}): GrantQuestion {
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
      "one without a list of intents for any that is served",
      question({ asker: ORCHESTRATOR, intent: "tools" }),
      "openai",
    ],
  ])("%s", (_case, asked, subject) => {
    expect(mayAsk(asked, subject, served)).toEqual({ ok: true, asker: served.askers.get(asked.asker) });
  });
});

describe("may not ask", () => {
  test.each([
    ["another environment", question({ env: "prod" }), "openai", "BAD_REQUEST", "another environment"],
    [
      "on another provider's subject",
      question(),
      "anthropic",
      "BAD_REQUEST",
      "the subject names another provider",
    ],
    [
      "a provider that is not served, though it is on the asker's list",
      question({ asker: ORCHESTRATOR, provider: "xai" }),
      "xai",
      "BAD_REQUEST",
      "a provider that is not served",
    ],
    [
      "an intent that is not served",
      question({ intent: "other" }),
      "openai",
      "BAD_REQUEST",
      "an intent that is not served",
    ],
    [
      "an nkey that is not on the list",
      question({ asker: STRANGER }),
      "openai",
      "FORBIDDEN",
      "an nkey that is not on the list",
    ],
    [
      "a gateway for another provider",
      question({ provider: "anthropic" }),
      "anthropic",
      "FORBIDDEN",
      "a provider that is not the asker's",
    ],
    [
      "a gateway for an intent that is not its own",
      question({ intent: "tools" }),
      "openai",
      "FORBIDDEN",
      "an intent that is not the asker's",
    ],
  ] as const)("%s", (_case, asked, subject, code, reason) => {
    expect(mayAsk(asked, subject, served)).toEqual({ ok: false, code, reason });
  });
});
