import { runStoreService } from "@scbe/service";
import { config } from "./config.ts";
import { start } from "./service.ts";

await runStoreService({ name: "rollback-controller", account: "control", version: "0.1.0", config, start });
