import { describe, expect, test } from "vitest";
import { checkBoundaries } from "./boundaries.ts";
import { PURE_FILES } from "./pure.ts";
import { readSources } from "./sources.ts";

const KEYRING = "services/keyring/src/service.ts";
const DOMAIN = "services/keyring/src/domain/next-step.ts";
/** A pure file beside files that are not. */
const PURE = "services/rollback-controller/src/control/state.ts";

describe("the boundaries check finds what is planted", () => {
  const planted: readonly (readonly [what: string, path: string, text: string])[] = [
    ["a service that imports another", KEYRING, `import { x } from "@scbe/replay-guard/service";`],
    ["of another service only a type", KEYRING, `import type { X } from "@scbe/replay-guard/config";`],
    ["another service by a relative path", KEYRING, `export * from "../../envelope/src/service.ts";`],
    [
      "another service from a test",
      "services/keyring/src/a.test.ts",
      `import "@scbe/envelope-service/service";`,
    ],
    ["a package that imports a service", "packages/client/src/index.ts", `import "@scbe/keyring/service";`],
    ["a package that imports one above it", "packages/bus/src/bus.ts", `import "@scbe/service";`],
    ["a package that imports an example", "packages/client/src/index.ts", `import "../../../examples/a.ts";`],
    [
      "a relative import across packages",
      KEYRING,
      `import { x } from "../../../packages/contracts/src/errors.ts";`,
    ],
    ["the NATS client in a service", KEYRING, `import { connect } from "nats";`],
    ["a type of the NATS client in a service", KEYRING, `import type { Msg } from "nats";`],
    ["a type in the middle of an expression", KEYRING, `let a: import("nats").Msg;`],
    ["the NATS client's successor", KEYRING, `import { connect } from "@nats-io/transport-node";`],
    ["a dynamic import", KEYRING, `await import(\n  /* later */ "nats",\n);`],
    ["an import over several lines", KEYRING, `import {\n  connect,\n} from // the client\n  'nats';`],
    ["a required module", KEYRING, `const nats = require("nats");`],
    ["an import of a computed name", KEYRING, `await import(name);`],
    ["AWS outside the keyring", "services/envelope/src/service.ts", `import "@aws-sdk/client-kms";`],
    ["Redis outside the replay guard", KEYRING, `import { Redis } from "ioredis";`],
    ["metrics past the table", KEYRING, `import { Counter } from "prom-client";`],
    [
      "metrics past the table in the package that makes them",
      "packages/runtime/src/metrics.ts",
      `import { Gauge } from "prom-client";`,
    ],
    ["the testkit in a service", KEYRING, `import { startNats } from "@scbe/testkit";`],
    ["a file of the system in a domain", DOMAIN, `import { readFileSync } from "node:fs";`],
    ["a module under its old name in a domain", DOMAIN, `import { connect } from "net";`],
    ["the log's type in a domain", DOMAIN, `import type { Logger } from "@scbe/runtime";`],
    ["randomness in a domain", DOMAIN, `import { randomBytes } from "node:crypto";`],
    ["an edge in a domain", DOMAIN, `import { keyFile } from "../edge/key-file.ts";`],
    ["the clock in a domain", DOMAIN, `export const age = (at: number) => Date.now() - at;`],
    ["the environment in a domain", DOMAIN, `export const env = process.env.SCBE_ENVIRONMENT;`],
    ["a timer in a domain", DOMAIN, `setTimeout(() => undefined, 1);`],
    ["randomness in a pure file", PURE, `import { randomBytes } from "node:crypto";`],
    ["the clock in a pure file", PURE, `export const age = (at: number) => Date.now() - at;`],
    ["arguments of the process in a pure file", PURE, `parseArgs();`],
    ["a neighbour of a pure file that is not pure", PURE, `import { HandBacks } from "./hand-backs.ts";`],
    ["I/O in the envelope", "packages/envelope/src/sealer.ts", `import { createServer } from "node:net";`],
    ["the clock in the envelope", "packages/envelope/src/sealer.ts", `const now = Date.now();`],
  ];

  test.each(planted)("%s", (_what, path, text) => {
    expect(checkBoundaries([{ path, text }])).not.toEqual([]);
  });
});

test("what is allowed passes the boundaries check", () => {
  const allowed = [
    { path: "packages/bus/src/nats/nats-bus.ts", text: `import { connect } from "nats";` },
    {
      path: "services/keyring/src/edge/aws-kms.ts",
      text: `import { KMSClient } from "@aws-sdk/client-kms";`,
    },
    {
      path: DOMAIN,
      text: `import { ScbeError } from "@scbe/contracts";\n// Date.now() would be wrong here\n`,
    },
    {
      path: PURE,
      text: `import type { Prometheus } from "../edge/prometheus.ts";\nimport { flagOf } from "../api/flag-state.ts";\n`,
    },
    { path: "tests/requests/system.test.ts", text: `import { start } from "@scbe/keyring/service";` },
  ];
  expect(checkBoundaries(allowed)).toEqual([]);
});

test("the project keeps its boundaries", () => {
  const sources = readSources(/\.(ts|mjs)$/);
  expect(sources.length).toBeGreaterThan(50);
  expect(checkBoundaries(sources)).toEqual([]);
});

test("every file on the list of pure files exists", () => {
  const paths = new Set(readSources(/\.ts$/).map(({ path }) => path));
  expect([...PURE_FILES].filter((path) => !paths.has(path))).toEqual([]);
});
