import { runStoreService } from "@scbe/service";
import { config } from "./config.ts";
import { start } from "./service.ts";

await runStoreService({ name: "trust-scorer", account: "trust", version: "0.1.0", config, start });
