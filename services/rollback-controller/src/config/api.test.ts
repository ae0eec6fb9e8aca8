import { defineConfig, readConfig } from "@scbe/runtime";
import { createCertificates, createTempDir } from "@scbe/testkit";
import { expect, test } from "vitest";
import { apiVariables } from "./api.ts";

const spec = defineConfig(apiVariables);
const problemsOf = (env: Record<string, string>): readonly string[] => {
  const reading = readConfig(spec, env);
  return reading.ok ? [] : reading.problems;
};

test.each(["127.0.0.1", "127.8.0.1", "localhost", "::1"])(
  "the control API is plain on loopback: %s",
  (host) => {
    expect(problemsOf({ SCBE_CONTROL_API_HOST: host })).toEqual([]);
  },
);

test.each(["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example.com", "api.company.com"])(
  "on %s it needs TLS, or a proxy that ends it in front, and the problem says so",
  (host) => {
    using dir = createTempDir();
    const { serverCert, serverKey } = createCertificates(dir.path);
    const tls = { SCBE_CONTROL_API_TLS_CERT: serverCert, SCBE_CONTROL_API_TLS_KEY: serverKey };
    expect(problemsOf({ SCBE_CONTROL_API_HOST: host })).toEqual([
      expect.stringMatching(
        /^SCBE_CONTROL_API_HOST: .*SCBE_CONTROL_API_TLS_CERT.*SCBE_CONTROL_API_PLAIN=allow/,
      ),
    ]);
    expect(problemsOf({ SCBE_CONTROL_API_HOST: host, ...tls })).toEqual([]);
    expect(problemsOf({ SCBE_CONTROL_API_HOST: host, SCBE_CONTROL_API_PLAIN: "allow" })).toEqual([]);
  },
);

test("a certificate needs its key beside it, and a key its certificate", () => {
  using dir = createTempDir();
  const { serverCert, serverKey } = createCertificates(dir.path);
  expect(problemsOf({ SCBE_CONTROL_API_TLS_CERT: serverCert })).toEqual([
    "SCBE_CONTROL_API_TLS_CERT: needs SCBE_CONTROL_API_TLS_KEY beside it",
  ]);
  expect(problemsOf({ SCBE_CONTROL_API_TLS_KEY: serverKey })).toEqual([
    "SCBE_CONTROL_API_TLS_KEY: needs SCBE_CONTROL_API_TLS_CERT beside it",
  ]);
});

test("names have no port, and none are needed", () => {
  expect(problemsOf({ SCBE_CONTROL_API_HOSTS: "api.company.com, 10.0.0.1" })).toEqual([]);
  expect(problemsOf({ SCBE_CONTROL_API_HOSTS: "https://api.company.com" })).toHaveLength(1);
  expect(problemsOf({})).toEqual([]);
});
