import { describe, expect, it } from "vitest";
import { ACCESS_WITH_FALLBACK } from "./access-table.ts";
import { deploymentUsers } from "./deployment-users.ts";
import { permissionsOf } from "./permissions-of.ts";
import { busScopes, grantOf } from "./scopes.ts";

const TABLE = ACCESS_WITH_FALLBACK;
const PROVIDERS = ["openai", "xai", "groq"];
const USERS = deploymentUsers(
  {
    providers: PROVIDERS,
    users: [
      { name: "narrow", role: "orchestrator", providers: ["xai", "groq"], intents: ["chat", "embed"] },
      { name: "gateway-narrow", role: "gateway", providers: ["xai"], intents: ["chat"] },
    ],
  },
  TABLE,
);

describe("what a user's JWT grants", () => {
  it("is what the table gives that user, in its own list or once the server has filled in its scope", () => {
    const scopes = new Map(busScopes(TABLE).map((scope) => [scope.name, scope.permissions]));
    for (const user of USERS) {
      const grant = grantOf(user, TABLE);
      const [own, tags] = "scope" in grant ? [scopes.get(grant.scope), grant.tags] : [grant.permissions, []];
      const fill = (list: readonly string[] = []) =>
        list.flatMap((subject) => filledIn(subject, user.name, tags)).sort();
      const { publish, subscribe } = permissionsOf(user, TABLE);
      expect([user.name, fill(own?.publish)]).toEqual([user.name, [...publish].sort()]);
      expect([user.name, fill(own?.subscribe)]).toEqual([user.name, [...subscribe].sort()]);
    }
  });

  it("has templates as whole tokens, and no queue group beside any, which the server would drop", () => {
    for (const { name, permissions } of busScopes(TABLE)) {
      for (const subject of [...permissions.publish, ...permissions.subscribe]) {
        for (const token of subject.split("."))
          expect(token).toMatch(/^(?:[^{}]*|\{\{(?:name\(\)|tag\((?:provider|intent)\))\}\})$/);
        expect([name, subject]).toEqual([name, expect.not.stringMatching(/template--| /)]);
      }
    }
  });

  it("is nothing for a user with more subjects than the server fills in", () => {
    const names = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`);
    const user = { name: "wide", role: "orchestrator", providers: names(64) } as const;
    expect(() => grantOf({ ...user, intents: names(64) })).toThrow("nats-server takes 4096");
    expect(grantOf({ ...user, intents: names(28) }, TABLE)).toMatchObject({ scope: "orchestrator.intents" });
  });

  it.each(["*", ">", "a.b", "a b", "{{name()}}", ""])(
    "is nothing for a name such as %j, which would be filled in as it is",
    (name) => {
      const user = { name, role: "orchestrator", providers: ["openai"] } as const;
      expect(() => grantOf(user)).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
      const widened = { name: "a", role: "orchestrator", providers: [name] } as const;
      expect(() => grantOf(widened)).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
    },
  );
});

/** As nats-server does: one subject for each combination of the tags' values. */
function filledIn(subject: string, name: string, tags: readonly string[]): string[] {
  return subject.split(".").reduce<string[]>(
    (made, token) => {
      const [, tag] = /^\{\{tag\((\w+)\)\}\}$/.exec(token) ?? [];
      const values =
        tag === undefined
          ? [token === "{{name()}}" ? name : token]
          : tags.flatMap((text) => (text.startsWith(`${tag}:`) ? [text.slice(tag.length + 1)] : []));
      return made.flatMap((before) => values.map((value) => (before === "" ? value : `${before}.${value}`)));
    },
    [""],
  );
}
