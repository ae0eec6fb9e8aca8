import { runService } from "@scbe/service";
import { config } from "./config.ts";
import { start } from "./service.ts";

await runService({ name: "envelope", version: "0.1.0", config, start });
