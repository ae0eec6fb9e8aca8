import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { provision } from "@scbe/bus";
import { STORE_ACCOUNTS } from "@scbe/contracts";
import { createLogger } from "@scbe/service";
import { createTempDir, startSecuredNats } from "@scbe/testkit";

/** A secured server whose JetStream can be taken away under its clients, and whose store can be copied, put back and erased. */
export async function startStore() {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(createTempDir());
  const [storeDir, copyDir] = [join(dir.path, "store"), join(dir.path, "copy")];
  const nats = stack.use(await startSecuredNats({ storeDir }));
  const { configFile } = nats.credentials;
  const config = readFileSync(configFile, "utf8");
  const held = stack.move();
  const replace = async (change: () => void): Promise<void> => {
    await nats.server.kill();
    change();
    await nats.server.restart();
  };
  return {
    nats,
    /** Core NATS continues on the same connections. */
    jetStream: async (isThere: boolean): Promise<void> => {
      const without = config.replaceAll(/^.*jetstream \{.*\n/gm, "");
      writeFileSync(configFile, isThere ? config : without);
      await nats.server.reload();
    },
    /** Like a backup of a stopped server. */
    copy: () => replace(() => cpSync(storeDir, copyDir, { recursive: true })),
    /** Replaces the store with the copy. */
    restore: () =>
      replace(() => {
        rmSync(storeDir, { recursive: true });
        cpSync(copyDir, storeDir, { recursive: true });
      }),
    /** Deletes the store and makes the buckets again. */
    erase: async () => {
      await replace(() => rmSync(storeDir, { recursive: true }));
      const log = createLogger({ name: "provision", level: "silent" });
      const transports = STORE_ACCOUNTS.map((account) => nats.storeTransport(account, "provision"));
      const result = await provision({ transports, log, env: "dev", replicas: 1 });
      if (!result.ok) throw new Error(result.problems.join("\n"));
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
