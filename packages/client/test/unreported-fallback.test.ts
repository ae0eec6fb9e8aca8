import { type ErrorCode, ScbeError } from "@scbe/contracts";
import {
  type Deployment,
  eventually,
  startDeployment,
  startTestController,
  type TestController,
} from "@scbe/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Client, Expectations, Handler } from "../src/index.ts";
import { ReceivedReports } from "./received-reports.ts";
import { failureOf, summaryOf, VARIABLES } from "./trust-fixture.ts";

/** An unsealed answer is no evidence about its provider: any process can have sent it. */
let deployment: Deployment;
let controller: TestController;
let gateway: Client;
let client: Client;
let handler: Handler;
let reports: ReceivedReports;

beforeAll(async () => {
  deployment = await startDeployment({ ...VARIABLES, SCBE_FALLBACK: "allow" });
  reports = new ReceivedReports(deployment.bus);
  controller = await startTestController({ transport: { servers: [deployment.nats.url] } });
  const settings = { controlPublicKey: controller.publicKey };
  gateway = await deployment.gateway(settings);
  client = await deployment.orchestrator(settings);
  await gateway.serve({ provider: "openai", drainMs: 0, handler: (call) => handler(call) });
});
afterAll(async () => {
  for (const it of [client, gateway, controller, deployment]) await it?.[Symbol.asyncDispose]();
});

const options = { provider: "openai", model: "gpt-5", intent: "chat", body: Buffer.from("Hello") };
const echo: Handler = ({ body }) => ({ body });

const request = (expects?: Expectations) =>
  client.request({ ...options, timeoutMs: 5000, ...(expects && { expects }) });

test("no outcome of an unsealed request is reported", async () => {
  handler = echo;
  await request();
  await controller.change({ fallback: { causes: ["availability"] } });
  const obeyed = (digest: string) => {
    const verifiers = () =>
      controller.asked.flatMap((it) => (it.held?.digest === digest ? [it.verifier] : []));
    return eventually(() => new Set(verifiers()).size === 2);
  };
  await obeyed((await controller.kill({ cause: "availability" })).digest);
  expect(await request()).toMatchObject({ isSealed: false });
  const failing = async (code: ErrorCode, expects?: Expectations): Promise<void> =>
    expect(await failureOf(request(expects))).toMatchObject({ code });
  await failing("BAD_ANSWER", { contentType: "text/html" });
  handler = () => Promise.reject(new ScbeError("HANDLER_FAILED", "no credit left"));
  await failing("HANDLER_FAILED");
  handler = () => Promise.reject(new ScbeError("TIMEOUT", "too slow"));
  await failing("TIMEOUT");
  expect(new Set(controller.asked.map(({ fallback }) => fallback))).toEqual(new Set([true]));
  // A gateway that still holds the kill refuses sealed requests, which is reported.
  await obeyed((await controller.release()).digest);
  handler = () => Promise.reject(new ScbeError("BUSY", "full"));
  await eventually(async () => {
    await failing("BUSY");
    return reports.events.some((it) => summaryOf(it) === "openai busy");
  });
  const summaries = new Set(reports.events.map((it) => summaryOf(it).replace(/ \d+$/, "")));
  expect(summaries).toEqual(new Set(["openai ok", "openai busy"]));
});
