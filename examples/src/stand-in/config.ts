import { defineConfig, integer } from "@scbe/runtime";

/** Every variable of the stand-in. */
export const config = defineConfig({
  SCBE_STAND_IN_PORT: integer({
    default: 7190,
    min: 0,
    max: 65_535,
    unit: "TCP port",
    doc: "The port of the stand-in on 127.0.0.1; 0 takes a free port, which the log names.",
  }),
});
