import { ScbeError } from "@scbe/contracts";
import { createLogger, reportListening } from "@scbe/service";
import { runProgram } from "../run-program.ts";
import { config } from "./config.ts";
import { startStandIn } from "./start-stand-in.ts";

await runProgram({
  name: "stand-in",
  config,
  start: async ({ SCBE_STAND_IN_PORT: port }) => {
    const standIn = await startStandIn(port).catch((cause: unknown) => {
      const why = "cannot be listened on; set SCBE_STAND_IN_PORT to a free one";
      throw new ScbeError("CONFLICT", `port 127.0.0.1:${port} ${why}`, { cause });
    });
    const log = createLogger({ name: "stand-in", level: "info" });
    reportListening("http", standIn.port);
    log.info({ port: standIn.port, url: standIn.url }, "serving");
    return standIn;
  },
});
