import { randomBytes } from "node:crypto";
import { eventually, startDeployment } from "@scbe/testkit";
import { expect, test } from "vitest";
import { type Asked, RawCaller } from "../../test/raw-caller.ts";

const SECONDS = 3;

test.each([450, 800])(
  "%i forgeries a second turn no request away, and each has its noise",
  async (perSecond) => {
    await using deployment = await startDeployment();
    await using client = await deployment.gateway();
    await using gateway = await client.serve({ provider: "openai", handler: ({ body }) => ({ body }) });
    const caller = new RawCaller(deployment.bus, deployment.keyring, deployment.guard);
    const [forged, asked]: [Asked[], Asked[]] = [[], []];
    const started = performance.now();
    const flood = setInterval(() => {
      const due = Math.min(1, (performance.now() - started) / 1000 / SECONDS) * SECONDS * perSecond;
      while (forged.length < due) forged.push(caller.ask(randomBytes(1)));
      if (asked.length < due / 20) asked.push(caller.ask(caller.seal().bytes));
    }, 5);
    await eventually(() => forged.length >= SECONDS * perSecond, { timeoutMs: SECONDS * 4000 });
    clearInterval(flood);
    const answers = await Promise.all(asked.map(({ answered }) => answered));
    expect(answers.length).toBeGreaterThan(SECONDS);
    expect(answers.filter(({ status }) => status === "busy")).toEqual([]);
    expect(answers.filter(({ status }) => status === "sealed").length).toBeGreaterThan(0);
    const noises = await Promise.all(forged.map(({ answered }) => answered));
    expect(new Set(noises.map(({ status, data }) => `${status} ${data.length}`))).toEqual(
      new Set(["refused 512"]),
    );
    expect(Math.min(...noises.map(({ afterMs }) => afterMs))).toBeGreaterThanOrEqual(700 - 1);
    expect(gateway.inFlight).toBe(0);
    for (const one of [...forged, ...asked]) one[Symbol.dispose]();
  },
  60_000,
);
