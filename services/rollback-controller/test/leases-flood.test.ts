import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { INTEGER_MAX, type LeaseRequest } from "@scbe/contracts";
import { signControl } from "@scbe/envelope/control";
import { createIdentity, eventually, type SecuredNats, startProcess, startSecuredNats } from "@scbe/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { firstState } from "../src/control/state.ts";
import { leaseRate } from "../src/endpoints.ts";
import { type ControllerProcess, launchController, TOKEN } from "./core-process.ts";
import { connectVerifier, type Verifier } from "./core-verifier.ts";

/** Longer than usual, for a machine that runs other tests too. */
const LEASE_MS = 10_000;
const TIMES = { SCBE_CONTROL_LEASE_MS: String(LEASE_MS), SCBE_CONTROL_LEADER_MS: "20000" };
/** After a request without a lease. */
const RETRY_MS = 250;
const FLOOD = 20_000;
const VERIFIERS_MAX = 64;
const RATE = leaseRate({ leaseMs: LEASE_MS, verifiersMax: VERIFIERS_MAX });
const PROVIDERS = ["openai", "groq", "google", "perplexity", "xai"];
/** Users that work during the flood of another user; each test floods as a different user. */
const OTHERS = ["gateway-xai", "orchestrator", "envelope"];
const PATIENT = { timeoutMs: 60_000 };
const TEST_MS = 150_000;
const FLOOD_PROGRAM = fileURLToPath(new URL("lease-flood.ts", import.meta.url));
const SCRIPT = fileURLToPath(new URL("../../../scripts/scbe-kill-switch.sh", import.meta.url));

const stack = new AsyncDisposableStack();
let nats: SecuredNats;
let controller: ControllerProcess;
let others: readonly Holding[];

beforeAll(async () => {
  nats = stack.use(await startSecuredNats({ providers: PROVIDERS }));
  controller = stack.use(await launchController(nats, TIMES));
  await controller.ready();
  others = await Promise.all(OTHERS.map(async (name) => stack.use(await holdLease(name))));
  await eventually(async () => (await users()).confirmed, PATIENT);
}, TEST_MS);
afterEach(async () => {
  expect((await script("deactivate", "--wait", "1")).said).toContain("released");
});
afterAll(() => stack.disposeAsync());

interface Holding extends AsyncDisposable {
  readonly verifier: Verifier;
  /** The time without a valid lease, since it was first granted. */
  lapsedMs(): number;
  /** Requests that the controller refused. */
  readonly refused: readonly string[];
}

/** Sends two requests in each lease time, sooner after a failure, and at once when another document is held. */
async function holdLease(name: string): Promise<Holding> {
  const verifier = await connectVerifier(nats, name, LEASE_MS / 2);
  await verifier.lease();
  const ending = new AbortController();
  const refused: string[] = [];
  let [until, lapsedMs] = [performance.now() + LEASE_MS, 0];
  const ask = async (): Promise<boolean> => {
    const askedAt = performance.now();
    const lease = await verifier.ask().catch(({ code }) => {
      if (code !== "TIMEOUT") refused.push(code);
    });
    if (lease?.digest !== verifier.document?.digest) return false;
    lapsedMs += Math.max(0, performance.now() - until);
    until = askedAt + LEASE_MS;
    return true;
  };
  const asking = (async () => {
    while (!ending.signal.aborted) {
      const held = verifier.document;
      const nextAt = performance.now() + ((await ask()) ? LEASE_MS * 0.45 : RETRY_MS);
      const isDue = () => performance.now() >= nextAt || verifier.document !== held;
      await eventually(() => ending.signal.aborted || isDue(), PATIENT);
    }
  })();
  return {
    ...{ verifier, refused },
    lapsedMs: () => lapsedMs + Math.max(0, performance.now() - until),
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await asking;
      await verifier[Symbol.asyncDispose]();
    },
  };
}

/** Resolves when the first requests are sent. */
async function flood(user: string, what: Partial<LeaseRequest>) {
  const words = [JSON.stringify(nats.transport(user)), user, String(FLOOD), JSON.stringify(what)];
  const startedAt = performance.now();
  const answered = await controller.leases();
  const running = startProcess(process.execPath, [FLOOD_PROGRAM, ...words], {
    bareEnv: true,
    env: { PATH: process.env.PATH ?? "" },
  });
  await running.output(/asking/, PATIENT);
  return {
    /** Resolves when the controller has received all requests: with the number of leases that it has answered, to all users. */
    async ended() {
      await running.output(/asked/, PATIENT);
      const seen = async () => (await controller.busy()) + (await controller.leases());
      await eventually(async () => {
        const before = await seen();
        await delay(500);
        return (await seen()) === before;
      }, PATIENT);
      const seconds = (performance.now() - startedAt) / 1000;
      return {
        leases: (await controller.leases()) - answered,
        leasesMax: RATE.burst + RATE.perSecond * seconds,
      };
    },
    [Symbol.asyncDispose]: () => running.kill(),
  };
}

interface Users {
  readonly confirmed: boolean;
  readonly by_name: Readonly<Record<string, { state: string; total: number }>>;
}

async function users(): Promise<Users> {
  return ((await (await fetch(`${await controller.url()}/health/scbe`)).json()) as { users: Users }).users;
}

async function script(...words: string[]) {
  const env = { PATH: process.env.PATH, SCBE_CONTROL_URL: await controller.url(), ADMIN_TOKEN: TOKEN };
  const child = spawn("bash", [SCRIPT, ...words], { env, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      said += chunk;
    });
  const [code] = await once(child, "close");
  return { code: code as number, said };
}

/** The kill has arrived at every other user, no request of them was refused, and none of their leases has ended. */
function expectOthersUnharmed(): void {
  const is = others.map(({ verifier, refused, lapsedMs }) => [verifier.isKilled(), refused, lapsedMs()]);
  expect(is).toEqual(OTHERS.map(() => [true, [], 0]));
}

describe("while one user requests 20,000 leases", () => {
  test(
    "for verifiers that hold nothing, a kill is obeyed and confirmed, and every other user keeps its lease",
    async () => {
      await using flooding = await flood("gateway-openai", {});
      const { code, said } = await script("activate", "a test", "--wait", "30");
      expect([code, said]).toEqual([0, expect.stringContaining("confirmed by 3 of 3 users; absent: ")]);
      const { leases, leasesMax } = await flooding.ended();
      expect(leases).toBeLessThan(leasesMax + 100);
      expectOthersUnharmed();
    },
    TEST_MS,
  );

  const generation = INTEGER_MAX;
  const digest = "A".repeat(43);
  const forged = signControl({ ...firstState("dev", PROVIDERS), generation }, createIdentity());
  const KINDS: readonly [string, string, Partial<LeaseRequest>][] = [
    ["in the name of invented verifiers", "gateway-groq", { held: { generation: 1, digest } }],
    ["and says that it holds the highest generation", "gateway-google", { held: { generation, digest } }],
    [
      "and hands back a forged document",
      "gateway-perplexity",
      { held: { generation, digest: forged.digest }, state: forged.signed },
    ],
  ];
  test.each(KINDS)(
    "%s each time, a kill is obeyed, that user alone is named, and every other user's lease holds",
    async (_, user, what) => {
      await using flooding = await flood(user, what);
      expect(await controller.kill()).toBe(200);
      const { leases, leasesMax } = await flooding.ended();
      expect(leases).toBeLessThan(leasesMax + 100);
      const flooder = await eventually(async () => {
        const { confirmed, by_name } = await users();
        const isConfirmed = OTHERS.every((name) => by_name[name]?.state === "converged");
        return !confirmed && isConfirmed && by_name[user];
      }, PATIENT);
      expect(flooder.state).toMatch(/^(behind|silent)$/);
      expect(flooder.total).toBeLessThanOrEqual(VERIFIERS_MAX);
      expectOthersUnharmed();
    },
    TEST_MS,
  );
});
