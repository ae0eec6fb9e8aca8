import { randomBytes } from "node:crypto";
import { eventually, startDeployment } from "@scbe/testkit";
import { expect, test } from "vitest";
import { RawCaller, type SentRequest } from "../../test/raw-caller.ts";

const SECONDS = 3;

test.each([450, 800])(
  "at %i forgeries a second no genuine request is refused a place, and each forgery gets its noise",
  async (perSecond) => {
    await using deployment = await startDeployment();
    await using client = await deployment.gateway();
    await using gateway = await client.serve({ provider: "openai", handler: ({ body }) => ({ body }) });
    const caller = new RawCaller(deployment.bus, deployment.keyring, deployment.guard);
    const [forged, genuine]: [SentRequest[], SentRequest[]] = [[], []];
    const started = performance.now();
    const flood = setInterval(() => {
      const due = Math.min(1, (performance.now() - started) / 1000 / SECONDS) * SECONDS * perSecond;
      while (forged.length < due) forged.push(caller.send(randomBytes(1)));
      if (genuine.length < due / 20) genuine.push(caller.send(caller.seal().bytes));
    }, 5);
    await eventually(() => forged.length >= SECONDS * perSecond, { timeoutMs: SECONDS * 4000 });
    clearInterval(flood);
    const answers = await Promise.all(genuine.map(({ answered }) => answered));
    expect(answers.length).toBeGreaterThan(SECONDS);
    expect(answers.filter(({ status }) => status === "busy")).toEqual([]);
    expect(answers.filter(({ status }) => status === "sealed").length).toBeGreaterThan(0);
    const noises = await Promise.all(forged.map(({ answered }) => answered));
    expect(new Set(noises.map(({ status, data }) => `${status} ${data.length}`))).toEqual(
      new Set(["refused 512"]),
    );
    expect(Math.min(...noises.map(({ afterMs }) => afterMs))).toBeGreaterThanOrEqual(700 - 1);
    expect(gateway.inFlight).toBe(0);
    for (const one of [...forged, ...genuine]) one[Symbol.dispose]();
  },
  60_000,
);
