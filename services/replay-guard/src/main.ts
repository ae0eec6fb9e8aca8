import { runStoreService } from "@scbe/service";
import { config } from "./config.ts";
import { start } from "./service.ts";

await runStoreService({ name: "replay-guard", account: "replay", version: "0.1.0", config, start });
