import { describe, expect, it } from "vitest";
import { findServer } from "./find-server.ts";
import { natsVersions } from "./nats-versions.ts";

describe("the nats-servers that tests of the bus run on", () => {
  it("are the one that everything uses, and the one that SCBE_NATS_SERVER_NEXT names", () => {
    const program = findServer("nats-server");
    const version = expect.stringMatching(/^\d+\.\d+\.\d+$/);
    expect(natsVersions({ ...process.env, SCBE_NATS_SERVER_NEXT: program })).toEqual([
      { version, program },
      { version, program },
    ]);
  });

  it("are not quietly fewer when the variable names nothing that can be run", () => {
    expect(() => natsVersions({ ...process.env, SCBE_NATS_SERVER_NEXT: "/nowhere" })).toThrow(
      "SCBE_NATS_SERVER_NEXT names /nowhere, which cannot be run",
    );
  });
});
