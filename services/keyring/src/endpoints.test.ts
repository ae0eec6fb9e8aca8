import { createSecretKey, randomBytes } from "node:crypto";
import { type GrantRequest, type ListedUser, writeMessage } from "@scbe/contracts";
import { askGrant } from "@scbe/envelope/grant";
import { collectLogs } from "@scbe/testkit";
import { createUser } from "nkeys.js";
import { expect, test } from "vitest";
import { T } from "../test/rings.ts";
import { localKms } from "./edge/local-kms.ts";
import { GRANT_RATE, Grants } from "./endpoints.ts";
import { RingKeeper, type RingStore } from "./ring-keeper.ts";

function identity() {
  const pair = createUser();
  return { publicKey: pair.getPublicKey(), sign: (bytes: Uint8Array) => pair.sign(bytes) };
}

const EMPTY: RingStore = {
  read: async () => undefined,
  write: async () => undefined,
  watch: () => ({ [Symbol.asyncDispose]: async () => undefined }),
};

/** Grants of a keyring without a ring, so that a request that passes all checks is NOT_READY. */
async function setUp() {
  const state = { now: 0 };
  const clock = { now: () => T, monotonic: () => state.now };
  const kms = localKms(createSecretKey(randomBytes(32)), "dev");
  const common = { clock, decryptOnlyMaxMs: 1 };
  const keeper = new RingKeeper({
    kms,
    store: EMPTY,
    log: collectLogs().log,
    env: "dev",
    probeMs: 1,
    ...common,
  });
  const askers = [identity(), identity()] as const;
  const listed = askers.map(({ publicKey: nkey }): ListedUser => {
    return { name: nkey.toLowerCase(), nkey, role: "gateway", providers: ["openai"] };
  });
  const users = { byNkey: (nkey: string) => listed.find((user) => user.nkey === nkey) };
  const served = { env: "dev" as const, providers: ["openai"], intents: ["chat"], users };
  const grants = new Grants({ keeper, served, identity: identity(), ...common });
  const wanted = { env: "dev" as const, provider: "openai", intent: "chat", kid: "" };
  const asked = await Promise.all(askers.map((asker) => askGrant(wanted, asker)));
  const requests = asked.map(({ question }) => question);
  /** The codes of the answers to one request that is sent so many times. */
  const codes = async (request: unknown, times: number): Promise<Record<string, number>> => {
    const counts: Record<string, number> = {};
    for (let time = 0; time < times; time += 1) {
      const refusal = await grants
        .answer(writeMessage(request), {
          user: (request as GrantRequest).asker.toLowerCase(),
          provider: "openai",
        })
        .catch((error) => error);
      counts[refusal.code] = (counts[refusal.code] ?? 0) + 1;
    }
    return counts;
  };
  return { state, requests, codes };
}

test("a user above its rate is refused until later, and other users are not affected", async () => {
  const { state, requests, codes } = await setUp();
  const { burst, perSecond } = GRANT_RATE;
  expect(await codes(requests[0], burst + 10)).toEqual({ NOT_READY: burst, BUSY: 10 });
  expect(await codes(requests[1], 1)).toEqual({ NOT_READY: 1 });
  state.now = 1000;
  expect(await codes(requests[0], perSecond + 10)).toEqual({ NOT_READY: perSecond, BUSY: 10 });
});

test("requests with a bad signature count against the user of their subject alone", async () => {
  const { requests, codes } = await setUp();
  const forged = { ...requests[0], signature: requests[1]?.signature };
  const { burst } = GRANT_RATE;
  expect(await codes(forged, burst + 10)).toEqual({ FORBIDDEN: burst, BUSY: 10 });
  expect(await codes(requests[1], 1)).toEqual({ NOT_READY: 1 });
});
