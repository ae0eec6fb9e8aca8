import { runService } from "@scbe/service-kit";
import { config } from "./config.ts";
import { start } from "./service.ts";

await runService({ name: "trust-scorer", version: "0.1.0", config, start });
