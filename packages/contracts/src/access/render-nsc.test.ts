import { expect, it } from "vitest";
import { ACCESS, ACCESS_WITH_FALLBACK } from "./access-table.ts";
import { busScopes, grantOf, type UserGrant } from "./permissions.ts";
import { nscAddUser, nscChangeUser, nscRemoveUser, renderNsc } from "./render-nsc.ts";
import { accountsOf, storeAccount, storePermissionsOf, storeUsers } from "./stores.ts";
import { deploymentUsers } from "./users.ts";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const nkeyAt = (index: number): string => `U${(LETTERS[index] ?? "A").repeat(55)}`;
const PROVIDERS = ["openai", "xai"];
const USERS = deploymentUsers(
  {
    providers: PROVIDERS,
    users: [{ name: "narrow", role: "orchestrator", providers: ["xai"], intents: ["chat"] }],
  },
  ACCESS_WITH_FALLBACK,
).map((user, index) => ({ ...user, nkey: nkeyAt(index) }));
const STORES = storeUsers().map((user, index) => ({ ...user, nkey: nkeyAt(USERS.length + index) }));
const SIGNERS = new Map(
  accountsOf("prod").map(({ name }, index) => [name, `A${String(index + 2).repeat(55)}`]),
);
const OPTIONS = { env: "prod", folder: "/secure/scbe prod", signers: SIGNERS } as const;

it.each([
  ["the table", ACCESS],
  ["the table with fallback", ACCESS_WITH_FALLBACK],
])("the commands have exactly the accounts, limits, permissions and users of %s", (_name, table) => {
  const commands = renderNsc(USERS, STORES, { ...OPTIONS, table }).map(overridesOf);
  const of = (...start: string[]) =>
    commands.filter((words) => start.every((word, index) => words[index + 1] === word));
  const accounts = accountsOf("prod");
  expect(of("add", "account").map((words) => one(words, "--name"))).toEqual(accounts.map(({ name }) => name));
  for (const { name, store, jetstream } of accounts) {
    const edit = of("edit", "account").find((words) => one(words, "--name") === name) ?? [];
    expect([name, one(edit, "--js-streams")]).toEqual([name, jetstream && String(jetstream.streams)]);
    expect([name, one(edit, "--js-consumer")]).toEqual([name, jetstream && String(jetstream.consumers)]);
    expect(one(edit, "--sk")).toBe(SIGNERS.get(name));
    const keys = of("edit", "signing-key").filter((words) => one(words, "--account") === name);
    const scopes = keys.map((words) => ({ name: one(words, "--role"), permissions: permissionsIn(words) }));
    expect(scopes).toEqual(store === undefined ? busScopes(table) : []);
  }
  const added = of("add", "user").map((words) => ({
    ...{ name: one(words, "--name"), account: one(words, "--account"), nkey: one(words, "--public-key") },
    ...{ signer: one(words, "-K"), tags: all(words, "--tag"), permissions: permissionsIn(words) },
  }));
  const expected = (nkeyed: { name: string; nkey: string }, account: string, grant: UserGrant) => ({
    ...{ name: nkeyed.name, nkey: nkeyed.nkey, account },
    ...("scope" in grant
      ? { signer: grant.scope, tags: grant.tags, permissions: { publish: [], subscribe: [] } }
      : { signer: SIGNERS.get(account), tags: [], permissions: grant.permissions }),
  });
  expect(added).toEqual([
    ...USERS.map((user) => expected(user, "SCBE_PROD", grantOf(user, table))),
    ...STORES.map((user) =>
      expected(user, storeAccount("prod", user.account), { permissions: storePermissionsOf(user) }),
    ),
  ]);
});

it("every word of a command is one word to a shell, no subject has a comma, and no command has a seed", () => {
  const user = USERS.find(({ name }) => name === "narrow");
  if (user === undefined) throw new Error("the user narrow is missing");
  const commands = [
    ...renderNsc(USERS, STORES, OPTIONS),
    ...nscAddUser(user, OPTIONS),
    ...nscChangeUser(user, OPTIONS),
    ...nscRemoveUser(user, OPTIONS),
  ];
  for (const command of commands) {
    if (!command.startsWith("nsc ")) continue;
    expect(command).toMatch(/^(?:[\w./:=-]+|'[^']+')(?: (?:[\w./:=-]+|'[^']+'))*$/);
    expect(command).not.toMatch(/,|\bS[UAO][A-Z2-7]{50}/);
  }
  expect(() => renderNsc(USERS, STORES, { ...OPTIONS, folder: "/a'b" })).toThrow(
    "cannot be part of a command",
  );
});

it("a changed or removed user is revoked by its key, and the account is pushed last", () => {
  const user = USERS.find(({ name }) => name === "narrow");
  if (user === undefined) throw new Error("the user narrow is missing");
  for (const commands of [nscChangeUser(user, OPTIONS), nscRemoveUser(user, OPTIONS)]) {
    expect(commands[0]).toBe(`nsc revocations add-user --account SCBE_PROD --user-public-key ${user.nkey}`);
    expect(commands.at(-1)).toBe("nsc push --account SCBE_PROD");
  }
  expect(nscAddUser(user, OPTIONS).join("\n")).not.toContain("push");
});

function permissionsIn(words: readonly string[]) {
  return { publish: all(words, "--allow-pub"), subscribe: all(words, "--allow-sub") };
}

function overridesOf(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
}

function all(words: readonly string[], option: string): string[] {
  return words.flatMap((word, index) => (word === option ? [words[index + 1] ?? ""] : []));
}

function one(words: readonly string[], option: string): string | undefined {
  return all(words, option)[0];
}
