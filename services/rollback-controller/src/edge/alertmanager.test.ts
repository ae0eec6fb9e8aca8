import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { closedPort } from "@scbe/testkit";
import { expect, test } from "vitest";
import { alertmanager } from "./alertmanager.ts";

const SILENCE = {
  id: "7b6f",
  status: { state: "active" },
  matchers: [{ name: "alertname", value: "SCBENonceReuse", isRegex: false, isEqual: true }],
};

/** A server that gives the set answer to every request, and remembers the requests. */
async function answerer(answer: (response: ServerResponse) => void) {
  const requests: { url: string | undefined; authorization: string | undefined }[] = [];
  const server = createServer((request, response) => {
    requests.push({ url: request.url, authorization: request.headers.authorization });
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    requests,
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("silences in force are returned, pending and expired ones are not", async () => {
  const others = ["pending", "expired"].map((state) => ({ ...SILENCE, id: state, status: { state } }));
  await using server = await answerer((response) => response.end(JSON.stringify([...others, SILENCE])));
  const found = await alertmanager(`http://127.0.0.1:${server.port}`).activeSilences({ timeoutMs: 5000 });
  expect(found).toEqual({ ok: true, silences: [SILENCE] });
});

test("a path and a password in the address are used, and no result shows the password", async () => {
  await using server = await answerer((response) => response.writeHead(401).end());
  const url = `http://scbe:hunter2@127.0.0.1:${server.port}/alerts/`;
  const found = await alertmanager(url).activeSilences({ timeoutMs: 5000 });
  expect(server.requests).toEqual([
    { url: "/alerts/api/v2/silences", authorization: `Basic ${btoa("scbe:hunter2")}` },
  ]);
  expect(found).toEqual({ ok: false, reason: "it answers with HTTP status 401" });
});

test.each([
  { named: "no JSON", answer: "<html>", reason: "an unreadable answer" },
  { named: "other JSON", answer: '{"silences":[]}', reason: "an unreadable answer" },
  { named: "too much", answer: `[${" ".repeat(5 * 1024 * 1024)}]`, reason: /more than 4194304 bytes/ },
])("an answer that is $named is not taken for no silence", async ({ answer, reason }) => {
  await using server = await answerer((response) => response.end(answer));
  const found = await alertmanager(`http://127.0.0.1:${server.port}`).activeSilences({ timeoutMs: 5000 });
  expect(found).toEqual({
    ok: false,
    reason: typeof reason === "string" ? reason : expect.stringMatching(reason),
  });
});

test("a redirection is not followed", async () => {
  await using server = await answerer((response) =>
    response.writeHead(302, { location: "http://x.test/" }).end(),
  );
  const found = await alertmanager(`http://127.0.0.1:${server.port}`).activeSilences({ timeoutMs: 5000 });
  expect(found.ok).toBe(false);
});

test("an Alertmanager that stalls within its answer, and one that is away, are failures with a reason", async () => {
  await using server = await answerer((response) => response.write("["));
  const stalls = await alertmanager(`http://127.0.0.1:${server.port}`).activeSilences({ timeoutMs: 200 });
  expect(stalls).toEqual({ ok: false, reason: "no answer in 200 ms" });
  using closed = await closedPort();
  const away = await alertmanager(`http://127.0.0.1:${closed.port}`).activeSilences({ timeoutMs: 5000 });
  expect(away).toEqual({ ok: false, reason: expect.stringContaining("ECONNREFUSED") });
});
