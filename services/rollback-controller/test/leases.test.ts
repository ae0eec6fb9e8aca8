import { randomBytes } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { INTEGER_MAX, isScbeError, type LeaseRequest, subjectOf, writeMessage } from "@scbe/contracts";
import { signControl } from "@scbe/envelope/control";
import { createIdentity, eventually, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { mergeFlags } from "../src/api/flag-state.ts";
import { viewUsers } from "../src/control/confirmation.ts";
import { firstState } from "../src/control/state.ts";
import {
  ADMIN,
  type Core,
  controlIdentity,
  LEASE_MS,
  LONG,
  PROVIDERS,
  startCore,
} from "./core-controller.ts";
import { connectVerifier, idOf, type Verifier } from "./core-verifier.ts";

const DIGEST = "A".repeat(43);
const HIGHEST = { generation: INTEGER_MAX, digest: DIGEST };
const KILL = { cause: "integrity" } as const;

let nats: SecuredNats;
let core: Core;
let openai: Verifier;
let xai: Verifier;

beforeEach(async () => {
  nats = await startSecuredNats({ providers: PROVIDERS });
  core = await startCore(nats);
  openai = await connectVerifier(nats, "gateway-openai");
  xai = await connectVerifier(nats, "gateway-xai");
  await core.known();
  // The first answer brings the document; the second request says that it is held.
  for (const verifier of [openai, openai, xai, xai]) await verifier.lease();
});
afterEach(async () => {
  for (const it of [openai, xai, core, nats]) await it?.[Symbol.asyncDispose]();
});

const share = (traffic_percentage: number) =>
  core.plane.change((state) => mergeFlags(state, { providers: { openai: { traffic_percentage } } }), ADMIN);
const shown = () => viewUsers(core.plane.verifiers(), core.plane.audience());
const stateOf = (user: string) => shown().by_name[user]?.state;
const noteOf = (dependency: string) =>
  core.host.readiness.report().find(({ name }) => name === dependency)?.note;
/** Sends any request that the permissions of the user allow. */
function say(verifier: Verifier, what: object, padding = 0): Promise<unknown> {
  const nonce = randomBytes(16).toString("base64url");
  const request = { v: 1, nonce, verifier: crypto.randomUUID(), held: null, fallback: false, ...what };
  const data = Buffer.concat([writeMessage(request), Buffer.alloc(padding, 0x20)]);
  return verifier.bus.request(subjectOf("controlLease", { user: verifier.name }), data, { timeoutMs: 5000 });
}

describe("a verifier belongs to the user of its request's subject", () => {
  test("with any id, and a request cannot name another user", async () => {
    await xai.ask({ verifier: openai.verifier, held: { generation: 1, digest: DIGEST } });
    await openai.ask();
    expect([stateOf("gateway-openai"), stateOf("gateway-xai")]).toEqual(["converged", "behind"]);
    expect(core.plane.verifiers().map(({ name }) => name)).toEqual(
      expect.arrayContaining(["gateway-openai", "gateway-xai"]),
    );
    await expect(say(xai, { name: "gateway-openai" })).rejects.toMatchObject({ code: "BAD_REQUEST" });
    await expect(say(xai, { user: "gateway-openai" })).rejects.toMatchObject({ code: "BAD_REQUEST" });
  });

  test("and invented ones belong to that user alone: they take only its rows, and every other user confirms a kill", async () => {
    for (let n = 0; n < 100; n += 1)
      await xai.ask({ verifier: crypto.randomUUID(), held: { generation: 1, digest: DIGEST } });
    await core.plane.kill(KILL, ADMIN);
    await eventually(() => openai.isKilled(), LONG);
    await openai.lease();
    const { by_name, confirmed } = shown();
    expect(confirmed).toBe(false);
    expect(by_name["gateway-openai"]).toMatchObject({ state: "converged", total: 1 });
    expect(by_name["gateway-xai"]).toMatchObject({ state: "behind", total: 64 });
    expect(by_name.orchestrator).toMatchObject({ state: "absent", total: 0 });
  });
});

describe("a kill", () => {
  test("is confirmed once all users with verifiers hold it and this controller has led for a lease time", async () => {
    await core.plane.kill(KILL, ADMIN);
    await eventually(() => openai.isKilled() && xai.isKilled(), LONG);
    await openai.lease();
    expect([stateOf("gateway-openai"), stateOf("gateway-xai"), shown().confirmed]).toEqual([
      ...["converged", "behind"],
      false,
    ]);
    await eventually(async () => {
      await Promise.all([openai.lease(), xai.lease()]);
      return shown().confirmed;
    }, LONG);
    expect(core.plane.audience()).toMatchObject({ hears: "all" });
    expect(shown()).toMatchObject({ converged: 2, absent: 2, behind: 0, silent: 0 });
    expect(await core.metric("scbe_control_users")).toBe(4);
  });

  test("is not confirmed by a standby, which shows no verifier", async () => {
    await using standby = await startCore(nats);
    await standby.known();
    expect([standby.plane.audience().hears, standby.plane.verifiers()]).toEqual(["none", []]);
    expect(viewUsers(standby.plane.verifiers(), standby.plane.audience())).toMatchObject({
      confirmed: false,
    });
  });

  test("names the user whose verifier is silent, until the verifier leaves", async () => {
    await eventually(() => stateOf("gateway-xai") === "silent", { timeoutMs: LEASE_MS * 10 });
    await openai.lease();
    expect([stateOf("gateway-openai"), stateOf("gateway-xai"), shown().confirmed]).toEqual([
      ...["converged", "silent"],
      false,
    ]);
    await xai.ask({ leaving: true });
    expect(stateOf("gateway-xai")).toBe("absent");
  });
});

describe("a generation without a signature", () => {
  test("changes neither the document nor the next generation; a change waits for it once, and its user is named", async () => {
    const before = core.plane.current?.state;
    await xai.ask({ held: HIGHEST });
    await eventually(() => noteOf("control document")?.includes("gateway-xai"), LONG);
    expect(core.plane.current?.state).toEqual(before);
    const { after } = await share(5);
    expect(after.generation).toBeLessThanOrEqual(Date.now());
    const { after: next } = await share(6);
    expect(next.generation).toBeLessThanOrEqual(Date.now());
    expect(core.logged("says that it holds a newer document")).toBe(1);
    expect(noteOf("control document")).not.toContain("gateway-openai");
  });

  test("makes a change wait for at most two seconds, and later changes not at all", async () => {
    await xai.ask({ held: HIGHEST });
    const startedAt = performance.now();
    await share(5);
    expect(performance.now() - startedAt).toBeGreaterThan(1000);
    // The claim is repeated before each change, with another number and from another verifier.
    for (let n = 6; n < 12; n += 1) {
      await xai.ask({
        verifier: crypto.randomUUID(),
        held: { ...HIGHEST, generation: HIGHEST.generation - n },
      });
      const waits = core.plane.change(
        (state) => mergeFlags(state, { providers: { openai: { traffic_percentage: n } } }),
        ADMIN,
      );
      const first = await Promise.race([
        waits.then(() => "changed"),
        eventually(() => core.generation() > HIGHEST.generation, { timeoutMs: 1500 }).catch(() => "waits"),
      ]);
      expect(first).toBe("changed");
    }
  });

  test("makes the controller read the store at most once a second", async () => {
    const reads = core.reads();
    const startedAt = performance.now();
    let answered = 0;
    while (performance.now() - startedAt < 3000) {
      const asking = xai.ask({ held: HIGHEST }).then(() => {
        answered += 1;
      });
      await asking.catch((error: unknown) => {
        // On a fast machine this exceeds the rate of the user: some requests are refused, some get no answer.
        if (!isScbeError(error, "BUSY") && !isScbeError(error, "TIMEOUT")) throw error;
      });
    }
    const seconds = (performance.now() - startedAt) / 1000;
    expect(answered).toBeGreaterThan(0);
    expect(core.reads()).toBeGreaterThan(reads);
    // They include the passes of the control loop, every two seconds, and those of the leadership.
    expect(core.reads() - reads).toBeLessThan(seconds * 2 + 2);
  });
});

describe("documents that verifiers hand back", () => {
  const forged = signControl({ ...firstState("dev", PROVIDERS), generation: 9 }, createIdentity());

  test("are read a few times a second for each user; beyond that the user is told to send none, and other users are not affected", async () => {
    const handBack = (verifier: Verifier, { digest, signed: state } = forged) =>
      say(verifier, { held: { ...HIGHEST, digest }, state }).then(
        () => "answered",
        ({ code }) => code,
      );
    const outcomes = await Promise.all(Array.from({ length: 40 }, () => handBack(xai)));
    const answered = outcomes.filter((it) => it === "answered").length;
    expect([answered >= 8, answered < 20, new Set(outcomes)]).toEqual([
      ...[true, true],
      new Set(["answered", "BUSY"]),
    ]);
    await expect(xai.ask()).resolves.toMatchObject(idOf(core.plane.current) ?? {});
    const { state } = core.plane.current ?? { state: firstState("dev", PROVIDERS) };
    const newer = signControl({ ...state, generation: state.generation + 1000 }, controlIdentity(nats));
    await say(openai, { held: idOf(newer), state: newer.signed });
    expect(core.plane.current?.digest).toBe(newer.digest);
  });

  test("supersede the document in force if the controllers' key has signed them, from any user", async () => {
    const { state } = await core.known();
    const newer = signControl({ ...state, generation: Date.now() + 60_000 }, controlIdentity(nats));
    await say(xai, { held: idOf(newer), state: newer.signed });
    expect(core.plane.current?.digest).toBe(newer.digest);
    expect((await share(7)).after.generation).toBe(newer.state.generation + 1);
  });

  test.each<[string, Partial<LeaseRequest>, number]>([
    ["of more bytes than any request has", {}, 200_000],
    ["that is padded", { held: HIGHEST }, 1000],
  ])("a request %s changes nothing", async (_, what, padding) => {
    const before = core.plane.current?.state;
    await say(xai, what, padding).catch(() => undefined);
    expect(core.plane.current?.state).toEqual(before);
  });
});

describe("a user that was removed from the list", () => {
  test("is refused a lease at once, and its verifiers no longer count; an added user counts", async () => {
    await eventually(() => stateOf("gateway-xai") === "silent", LONG);
    const file = nats.credentials.usersFile;
    const list = core.users.users;
    const replace = (users: readonly object[]): void => {
      writeFileSync(`${file}.new`, JSON.stringify(users));
      renameSync(`${file}.new`, file);
    };
    replace(list.filter(({ name }) => name !== "gateway-xai"));
    await eventually(() => stateOf("gateway-xai") === undefined, LONG);
    await expect(xai.ask()).rejects.toMatchObject({ code: "FORBIDDEN" });
    await eventually(async () => {
      await openai.lease();
      return shown().confirmed;
    }, LONG);
    expect(core.plane.verifiers().map(({ name }) => name)).toEqual(["gateway-openai"]);
    replace(list);
    await eventually(() => stateOf("gateway-xai") === "absent", LONG);
    await xai.lease();
    expect(stateOf("gateway-xai")).toBe("converged");
  });

  test("or that has another role, is refused too", async () => {
    const file = nats.credentials.usersFile;
    const list = core.users.users.map((user) =>
      user.name === "gateway-xai" ? { ...user, role: "keyring" as const } : user,
    );
    writeFileSync(file, JSON.stringify(list));
    await eventually(() => expect(xai.ask()).rejects.toMatchObject({ code: "FORBIDDEN" }), LONG);
    expect(core.plane.audience().expected).not.toContain("gateway-xai");
  });
});
