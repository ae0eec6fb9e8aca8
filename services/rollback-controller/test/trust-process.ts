import { fileURLToPath } from "node:url";
import { connectBus } from "@scbe/bus";
import { type ReportedEvent, subjectOf, writeMessage } from "@scbe/contracts";
import { createLogger } from "@scbe/service";
import { eventually, type SecuredNats, startProcess } from "@scbe/testkit";
import { LONG, PROVIDERS } from "./core-controller.ts";

const PROGRAM = fileURLToPath(new URL("../../trust-scorer/src/main.ts", import.meta.url));
const name = "trust-scorer";

/** A trust scorer as a process of its own, as in production; resolves when it is ready. */
export async function launchScorer(nats: SecuredNats) {
  const running = startProcess(process.execPath, [PROGRAM], {
    bareEnv: true,
    ipc: true,
    env: {
      PATH: process.env.PATH ?? "",
      NATS_URL: nats.url,
      ...nats.credentials.environment(name),
      SCBE_PROVIDERS: PROVIDERS.join(","),
      SCBE_USERS_FILE: nats.credentials.usersFile,
      SCBE_OPS_PORT: "0",
      SCBE_TRUST_LEADER_MS: "900",
    },
  });
  const [, port] = await running.output(/"opsPort":(\d+)/, LONG);
  await eventually(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok, LONG);
  return { [Symbol.asyncDispose]: () => running.kill() };
}

/** An orchestrator that reports the outcomes of its requests. */
export async function connectTeller(nats: SecuredNats) {
  const log = createLogger({ name: "test", level: "silent" });
  const bus = await connectBus({ ...nats.transport("orchestrator"), name: "orchestrator", log });
  return {
    tell: async (event: ReportedEvent): Promise<void> => {
      const telling = writeMessage({ v: 1, events: [event] });
      await bus.request(subjectOf("trustTell", { user: bus.user, provider: event.provider }), telling, {
        timeoutMs: 5000,
      });
    },
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
}
