import { setTimeout as delay } from "node:timers/promises";
import { followReadiness, opsVariables, transportVariables } from "@scbe/bus";
import { defineConfig, integer } from "@scbe/runtime";
import { runService } from "../src/index.ts";

/** A service for tests that need a process: it echoes requests after a delay. */
await runService({
  name: "echo",
  version: "1.2.3",
  config: defineConfig({
    ...transportVariables,
    ...opsVariables(0),
    ECHO_DELAY_MS: integer({ default: 0, min: 0, max: 60_000, unit: "ms", doc: "The delay of an answer." }),
    ECHO_DEFECT: integer({ default: 0, min: 0, max: 1, doc: "1: rejects a promise without a handler." }),
  }),
  async start(config, { bus, readiness, log }) {
    const service = bus.service({
      name: "echo",
      version: "1.2.3",
      description: "answers what it was sent",
      queue: "echo",
      endpoints: [
        {
          name: "echo",
          subject: "test.echo",
          handler: async (request) => {
            log.debug("request");
            await delay(config.ECHO_DELAY_MS);
            return { data: request.data };
          },
        },
      ],
    });
    const following = followReadiness(service, readiness);
    if (config.ECHO_DEFECT === 1)
      setImmediate(() => void Promise.reject(new Error("rejected without a handler")));
    return {
      [Symbol.asyncDispose]: async () => {
        following[Symbol.dispose]();
        await service[Symbol.asyncDispose]();
      },
    };
  },
});
