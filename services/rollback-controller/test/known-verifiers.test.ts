import { readFileSync, writeFileSync } from "node:fs";
import { KV_KEYS, ScbeError } from "@scbe/contracts";
import { type Clock, systemClock } from "@scbe/runtime";
import { eventually, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type UsersView, viewUsers } from "../src/control/confirmation.ts";
import { encodeVerifiers, type KnownVerifier, NOTHING_HEARD } from "../src/control/known-verifiers.ts";
import { ADMIN, type Core, LONG, PROVIDERS, startCore } from "./core-controller.ts";
import { type ControllerProcess, launchController } from "./core-process.ts";
import { connectVerifier, type Verifier } from "./core-verifier.ts";
import { openVerifiersKey, type VerifiersKey } from "./verifiers-key.ts";

const MINUTE = 60_000;
const KILL = { cause: "integrity" } as const;

let nats: SecuredNats;
let key: VerifiersKey;
let openai: Verifier;
let xai: Verifier;

beforeEach(async () => {
  nats = await startSecuredNats({ providers: PROVIDERS });
  key = await openVerifiersKey(nats);
  openai = await connectVerifier(nats, "gateway-openai");
  xai = await connectVerifier(nats, "gateway-xai");
});
afterEach(async () => {
  for (const it of [openai, xai, key, nats]) await it?.[Symbol.asyncDispose]();
});

/** The first answer brings the document; the second request says that it is held. */
async function askTwice(...verifiers: Verifier[]): Promise<void> {
  for (const verifier of [...verifiers, ...verifiers]) await verifier.lease();
}

const shown = ({ plane }: Core): UsersView => viewUsers(plane.verifiers(), plane.audience());
const statesOf = ({ by_name }: UsersView) =>
  Object.fromEntries(Object.entries(by_name).map(([name, { state }]) => [name, state]));
const noteOf = ({ host }: Core, name = "verifiers heard before") =>
  host.readiness.report().find((it) => it.name === name)?.note;

/** The states of the users, after all active verifiers have had the time to send a request. */
async function heardAll(core: Core, ...atWork: Verifier[]): Promise<UsersView> {
  await eventually(async () => {
    await Promise.all(atWork.map((verifier) => verifier.lease()));
    return core.plane.audience().hears === "all";
  }, LONG);
  await askTwice(...atWork);
  return shown(core);
}

/** A controller that has heard both verifiers, and has ended. */
async function heardBoth(): Promise<void> {
  await using core = await startCore(nats);
  await askTwice(openai, xai);
  await key.names(openai, xai);
  await core.plane.kill(KILL, ADMIN);
}

/** A clock with a wall time ahead of the machine's. */
const ahead = (ms: number): Clock => ({
  now: () => systemClock.now() + ms,
  monotonic: systemClock.monotonic,
});

const SILENT = { "gateway-openai": "converged", "gateway-xai": "silent", orchestrator: "absent" };
const ABSENT = { ...SILENT, "gateway-xai": "absent" };

describe("a verifier that is cut off from the control subjects is named, and no kill is confirmed,", () => {
  const usersAt = async (controller: ControllerProcess): Promise<UsersView> =>
    ((await (await fetch(`${await controller.url()}/health/scbe`)).json()) as { users: UsersView }).users;
  const wholeAt = async (controller: ControllerProcess): Promise<UsersView> => {
    await eventually(async () => {
      await openai.lease();
      return (await usersAt(controller)).hears === "all";
    }, LONG);
    await askTwice(openai);
    return usersAt(controller);
  };
  const CUT = { confirmed: false, hears: "all", converged: 1, silent: 1, behind: 0, unknown: 0 };

  test("by the successor of a frozen controller, until it sends a request", async () => {
    await using one = await launchController(nats);
    await one.ready();
    await eventually(() => one.leads(), LONG);
    await using other = await launchController(nats);
    await other.ready();
    await askTwice(openai, xai);
    await key.names(openai, xai);
    one.running.pause();
    await eventually(() => other.leads(), LONG);
    expect(await other.kill()).toBe(200);
    await eventually(() => openai.isKilled(), LONG);
    const users = await wholeAt(other);
    expect(users).toMatchObject(CUT);
    expect(statesOf(users)).toMatchObject(SILENT);
    // The frozen controller swallows some of the requests.
    await eventually(async () => {
      await Promise.all([xai.lease(), openai.lease()]);
      expect(await usersAt(other)).toMatchObject({ confirmed: true, converged: 2, silent: 0 });
      return true;
    }, LONG);
    one.running.resume();
  }, 60_000);

  test("by a controller that was killed and restarted", async () => {
    await using one = await launchController(nats);
    await one.ready();
    await askTwice(openai, xai);
    await key.names(openai, xai);
    await one.running.kill();
    await using again = await launchController(nats);
    await again.ready();
    const users = await wholeAt(again);
    expect(users).toMatchObject(CUT);
    expect(statesOf(users)).toMatchObject(SILENT);
  }, 60_000);

  test("by the second successor, even if the first controller ended right after the last request", async () => {
    const first = await startCore(nats);
    await askTwice(openai, xai);
    await first[Symbol.asyncDispose]();
    await key.names(openai, xai);
    for (const follower of ["second", "third"]) {
      await using core = await startCore(nats);
      const users = await heardAll(core, openai);
      expect([follower, users.confirmed, statesOf(users)]).toEqual([
        ...[follower, false],
        expect.objectContaining(SILENT),
      ]);
    }
  });
});

describe("a verifier is absent for the next controller, and a kill is confirmed without it,", () => {
  test("when it has left", async () => {
    await using first = await startCore(nats);
    await askTwice(openai, xai);
    await key.names(openai, xai);
    await xai.ask({ leaving: true });
    await key.names(openai);
    await first[Symbol.asyncDispose]();
    await using next = await startCore(nats);
    const users = await heardAll(next, openai);
    expect(users).toMatchObject({ confirmed: true, unknown: 0 });
    expect(statesOf(users)).toMatchObject(ABSENT);
  });

  test("when it leaves there, and sends no more requests", async () => {
    await heardBoth();
    await using next = await startCore(nats);
    await xai.lease({ leaving: true });
    await key.names(openai);
    expect(statesOf(await heardAll(next, openai))).toMatchObject(ABSENT);
    expect(shown(next).confirmed).toBe(true);
  });

  test("when its ten minutes are over, by the clock of the next controller", async () => {
    await heardBoth();
    await using soon = await startCore(nats, { clock: ahead(9.5 * MINUTE) });
    expect(statesOf(await heardAll(soon, openai))).toMatchObject(SILENT);
    await soon[Symbol.asyncDispose]();
    await using late = await startCore(nats, { clock: ahead(10.5 * MINUTE) });
    expect(statesOf(await heardAll(late, openai))).toMatchObject(ABSENT);
    expect(shown(late).confirmed).toBe(true);
    await key.names(openai);
  });

  test("when its user was removed from the list", async () => {
    await heardBoth();
    const file = nats.credentials.usersFile;
    const list = JSON.parse(readFileSync(file, "utf8")) as { name: string }[];
    writeFileSync(file, JSON.stringify(list.filter(({ name }) => name !== "gateway-xai")));
    await using next = await startCore(nats);
    const users = await heardAll(next, openai);
    expect([users.confirmed, statesOf(users)["gateway-xai"]]).toEqual([true, undefined]);
  });
});

test("a clock that is ahead of the next controller's makes no verifier older, or younger than now", async () => {
  await using first = await startCore(nats, { clock: ahead(5 * MINUTE) });
  await askTwice(openai, xai);
  await key.names(openai, xai);
  await first[Symbol.asyncDispose]();
  await using next = await startCore(nats);
  expect(statesOf(await heardAll(next, openai))).toMatchObject(SILENT);
  expect(next.plane.verifiers().every(({ ageMs }) => ageMs >= 0)).toBe(true);
});

test("after a first start no verifier is known, and users without verifiers do not block the confirmation of a kill", async () => {
  await using core = await startCore(nats);
  expect(await heardAll(core, openai)).toMatchObject({
    confirmed: true,
    converged: 1,
    absent: 3,
    unknown: 0,
  });
  expect(noteOf(core)).toBeUndefined();
});

describe("if the next controller cannot read the heard verifiers", () => {
  test("no user is confirmed and a note says so, until it can; a kill is sent at once, and leases are answered", async () => {
    await heardBoth();
    let isAway = true;
    const onKey = (name: string) => {
      if (isAway && name === KV_KEYS.verifiers) throw new ScbeError("TIMEOUT", "the store does not answer");
    };
    await using next = await startCore(nats, { onKey });
    const users = await heardAll(next, openai);
    expect(users).toMatchObject({ confirmed: false, hears: "all", unknown: 4, absent: 0, converged: 0 });
    expect(users.by_name["gateway-openai"]).toMatchObject({ state: "unknown", total: 1, converged: 1 });
    expect(noteOf(next)).toMatch(/^TIMEOUT: .* not all are known: no kill is confirmed/);
    expect(next.host.readiness.ready).toBe(true);
    const { generation } = next.plane.current?.state ?? { generation: 0 };
    await next.plane.change((state) => ({ ...state, kill_switch: { all: null, providers: {} } }), ADMIN);
    const startedAt = performance.now();
    await next.plane.kill(KILL, ADMIN);
    expect(performance.now() - startedAt).toBeLessThan(1000);
    await eventually(() => (openai.document?.state.generation ?? 0) > generation && openai.isKilled(), LONG);
    isAway = false;
    await eventually(() => shown(next).unknown === 0, LONG);
    expect(statesOf(await heardAll(next, openai))).toMatchObject(SILENT);
    expect(noteOf(next)).toBeUndefined();
  });

  test("an unreadable value is replaced by its predecessor; users that it may have named are not confirmed, by later controllers neither", async () => {
    await heardBoth();
    await key.put(Buffer.from("{"));
    await using next = await startCore(nats);
    const users = await heardAll(next, openai);
    expect(users).toMatchObject({ confirmed: false, silent: 1, unknown: 3 });
    expect(statesOf(users)).toMatchObject({ "gateway-xai": "silent", orchestrator: "unknown" });
    expect(await next.metric("scbe_records_mended_total")).toBe(1);
    expect(noteOf(next, "stored verifiers")).toContain("those that were heard before, 2 verifiers");
    await key.names(openai, xai);
    await next[Symbol.asyncDispose]();
    await using later = await startCore(nats);
    expect(await heardAll(later, openai)).toMatchObject({ confirmed: false, silent: 1, unknown: 3 });
    await later[Symbol.asyncDispose]();
    await using last = await startCore(nats, { clock: ahead(11 * MINUTE) });
    expect(await heardAll(last, openai)).toMatchObject({ confirmed: true, silent: 0, unknown: 0 });
  });

  test("and no earlier value is readable either, the list begins anew, and nothing is confirmed for ten minutes", async () => {
    for (let n = 0; n < 6; n += 1) await key.put(Buffer.from(`${n}`));
    await using next = await startCore(nats);
    expect(await heardAll(next, openai)).toMatchObject({ confirmed: false, unknown: 4 });
    await key.names(openai);
  });
});

describe("the stored list", () => {
  const heardOf = (user: string, count: number): KnownVerifier[] =>
    Array.from({ length: count }, () => ({
      ...{ user, verifier: crypto.randomUUID(), heardAt: Date.now(), fallback: false },
    }));

  test("marks a user with more verifiers than are named or counted, and that user is silent", async () => {
    const more = new Map([["orchestrator", Date.now()]]);
    await key.put(encodeVerifiers({ ...NOTHING_HEARD, heard: heardOf("gateway-xai", 3), more }));
    await using next = await startCore(nats, { verifiersMax: 2 });
    const users = await heardAll(next, openai, xai);
    expect(statesOf(users)).toEqual({
      ...{
        "gateway-openai": "converged",
        "gateway-xai": "silent",
        orchestrator: "silent",
        envelope: "absent",
      },
    });
    expect(users.confirmed).toBe(false);
  });

  test("is written at most once a second after a burst, while verifiers come and go, and not at all while they stay the same", async () => {
    let writes = 0;
    const onKey = (name: string, doing: string) => {
      if (name === KV_KEYS.verifiers && doing === "write") writes += 1;
    };
    await using core = await startCore(nats, { onKey });
    await askTwice(openai);
    const startedAt = performance.now();
    let invented = 0;
    while (performance.now() - startedAt < 3000) {
      const held = { generation: 1, digest: "A".repeat(43) };
      await xai.ask({ verifier: crypto.randomUUID(), held }).catch(() => undefined);
      invented += 1;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(invented).toBeGreaterThan(10);
    expect(writes).toBeGreaterThan(1);
    expect(writes).toBeLessThanOrEqual((performance.now() - startedAt) / 1000 + 3);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const before = writes;
    for (let n = 0; n < 6; n += 1) {
      await openai.lease();
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
    expect(writes).toBe(before);
    expect(core.plane.audience().hears).toBe("all");
  });
});
