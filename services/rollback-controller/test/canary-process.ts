import type { StoreTransport } from "@scbe/bus";
import { startController } from "./canary-controller.ts";

/*
 * A controller that makes one pass, and stops `before` or `after` it writes a promotion into the control document. It prints that it
 * stopped, and waits for SIGKILL.
 *
 *   node canary-process.ts <transport as JSON> <before|after> <the time, ms since the Unix epoch>
 */
const [, , transport = "", moment, now] = process.argv;
const controller = await startController({
  transport: JSON.parse(transport) as StoreTransport,
  clock: { now: () => Number(now), monotonic: () => performance.now() },
  onWrite: async (when, { by }) => {
    if (when !== moment || by !== "canary") return;
    process.stdout.write("reached\n");
    await new Promise(() => undefined);
  },
});
await controller.pass();
process.stdout.write("went on\n");
