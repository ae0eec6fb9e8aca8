import { runProgram } from "../run-program.ts";
import { config } from "./config.ts";
import { start } from "./start.ts";

await runProgram({ name: "gateway", config, start });
