import { createReadiness } from "@scbe/runtime";
import { collectLogs, eventually, type NatsServer, startNats } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Bus } from "./bus.ts";
import { followReadiness } from "./follow-readiness.ts";
import { connectBus } from "./nats/connect-bus.ts";

const NOTHING = new Uint8Array(0);
let nats: NatsServer;
const { log } = collectLogs();

beforeAll(async () => {
  nats = await startNats();
});
afterAll(() => nats[Symbol.asyncDispose]());

describe("a service that follows its process's readiness", () => {
  it("is in its queue group exactly while the process is ready: another member gets the requests meanwhile", async () => {
    const [one, two, asker] = await Promise.all(["one", "two", "asker"].map(member));
    const readiness = createReadiness();
    readiness.declare("store");
    const service = serve(one as Bus, "one");
    using _following = followReadiness(service, readiness);
    const askers = async () => {
      const asked = Array.from({ length: 20 }, () =>
        (asker as Bus).request("t.who", NOTHING, { timeoutMs: 2000 }),
      );
      return new Set((await Promise.all(asked)).map(({ data }) => Buffer.from(data).toString()));
    };
    await expect(askers()).rejects.toMatchObject({ code: "NO_RESPONDERS" });

    readiness.set("store", { ok: true });
    await eventually(async () => (await askers()).has("one"));
    await serve(two as Bus, "two").join();
    readiness.set("store", { ok: false, reason: "away" });
    await eventually(async () => !(await askers()).has("one"));
    expect(await askers()).toEqual(new Set(["two"]));

    readiness.set("store", { ok: true });
    await eventually(async () => (await askers()).size === 2);
    for (const bus of [one, two, asker]) await bus?.[Symbol.asyncDispose]();
  });
});

function member(name: string): Promise<Bus> {
  return connectBus({ servers: [nats.url], name, log });
}

function serve(bus: Bus, name: string) {
  return bus.service({
    name,
    version: "1.0.0",
    description: "says who it is",
    queue: "members",
    endpoints: [{ name: "who", subject: "t.who", handler: () => ({ data: Buffer.from(name) }) }],
  });
}
