import { type Bus, connectBus, loadIdentity } from "@scbe/bus";
import { type RingState, SUBJECTS, writeMessage } from "@scbe/contracts";
import { signRing } from "@scbe/envelope/grant";
import { systemClock } from "@scbe/runtime";
import { collectLogs, eventually, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CurrentKey } from "../src/current-key.ts";

const ringOf = (generation: number, kid: string, env: RingState["env"] = "dev"): RingState => ({
  env,
  generation,
  keys: [
    { kid: "k0", state: "decrypt-only", not_after: 1 },
    { kid, state: "active", not_after: null },
  ],
});

describe("the key in use, on a bus with a controller's rights", () => {
  let nats: SecuredNats;
  let stack: AsyncDisposableStack;
  let keyring: Bus;
  let controller: Bus;
  const identityOf = (user: string) => {
    const identity = loadIdentity(nats.transport(user));
    if (identity === undefined) throw new Error(`${user} has no nkey`);
    return identity;
  };
  const of = (bus: Bus) => ({ bus, clock: systemClock, metrics: new Registry(), env: "dev" }) as const;
  const broadcast = (ring: RingState, signer = "keyring") => {
    const signed = signRing(ring, identityOf(signer));
    keyring.publish(SUBJECTS.ring, writeMessage(signed));
  };

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    nats = stack.use(await startSecuredNats());
    const connect = async (name: string) =>
      stack.use(await connectBus({ ...nats.transport(name), name, log: collectLogs().log }));
    [keyring, controller] = [await connect("keyring"), await connect("rollback-controller")];
  });
  afterEach(() => stack.disposeAsync());

  it("is that of the newest ring that the keyring signed for this environment", async () => {
    const { publicKey } = identityOf("keyring");
    const current = stack.use(new CurrentKey({ ...of(controller), keyringPublicKey: publicKey }));
    expect(current.id).toBeUndefined();
    await eventually(() => {
      broadcast(ringOf(5, "k5"));
      return current.id === "k5";
    });
    broadcast(ringOf(9, "forged"), "orchestrator");
    broadcast(ringOf(8, "prod-key", "prod"));
    keyring.publish(SUBJECTS.ring, Buffer.from("{"));
    broadcast(ringOf(6, "k6"));
    broadcast(ringOf(4, "k4"));
    await keyring.flush();
    await controller.flush();
    expect(current.id).toBe("k6");
  });

  it("is unknown if no keyring key is configured", async () => {
    const current = stack.use(new CurrentKey({ ...of(controller), keyringPublicKey: undefined }));
    broadcast(ringOf(5, "k5"));
    await keyring.flush();
    await controller.flush();
    expect(current.id).toBeUndefined();
  });
});
