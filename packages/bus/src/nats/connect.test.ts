import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Certificates,
  collectLogs,
  createCertificates,
  createTempDir,
  eventually,
  natsVersions,
  startNats,
  type TempDir,
} from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Bus } from "../bus.ts";
import type { Transport } from "../config.ts";
import { connectBus } from "./connect.ts";

const { log } = collectLogs();
const connect = (transport: Transport): Promise<Bus> =>
  connectBus({ ...transport, name: "careful", log, timeoutMs: 600 });

describe.each(natsVersions())("on nats-server $version", ({ program }) => {
  describe.skipIf(program === undefined)("TLS", () => {
    let dir: TempDir;
    let files: Certificates;
    let foreignDir: TempDir;
    let foreign: Certificates;
    let configFile: string;

    const configure = (lines: string): void => writeFileSync(configFile, `${lines}\n`);
    const serverTls = (more = ""): string =>
      `tls { cert_file: "${files.serverCert}", key_file: "${files.serverKey}" ${more} }`;
    const tlsUrl = (url: string): string => url.replace("nats://", "tls://");

    beforeAll(() => {
      dir = createTempDir();
      files = createCertificates(dir.path);
      foreignDir = createTempDir();
      foreign = createCertificates(foreignDir.path);
      configFile = join(dir.path, "nats.conf");
    });
    afterAll(() => {
      dir[Symbol.dispose]();
      foreignDir[Symbol.dispose]();
    });

    it("is used and reported with a server whose certificate chains to the authority", async () => {
      configure(serverTls());
      await using nats = await startNats({ program, configFile });
      for (const server of [nats.url, tlsUrl(nats.url)]) {
        const bus = await connect({ servers: [server], tlsCaFile: files.ca });
        expect(bus.encrypted).toBe(true);
        await bus[Symbol.asyncDispose]();
      }
    });

    it("is refused with a server whose certificate chains to another authority", async () => {
      configure(serverTls());
      await using nats = await startNats({ program, configFile });
      for (const tlsCaFile of [foreign.ca, undefined]) {
        const servers = [tlsUrl(nats.url)];
        await expect(connect({ servers, ...(tlsCaFile && { tlsCaFile }) })).rejects.toThrow("not reached");
      }
    });

    it.each([
      { names: ["127.0.0.1"], host: "127.0.0.1", isAccepted: true },
      { names: ["localhost"], host: "localhost", isAccepted: true },
      { names: ["localhost"], host: "127.0.0.1", isAccepted: false },
      { names: ["127.0.0.2"], host: "127.0.0.1", isAccepted: false },
      { names: ["127.0.0.1"], host: "localhost", isAccepted: false },
      { names: ["other.example"], host: "localhost", isAccepted: false },
    ])(
      "with a certificate for $names is accepted for $host: $isAccepted",
      async ({ names, host, isAccepted }) => {
        using namesDir = createTempDir();
        const named = createCertificates(namesDir.path, names);
        configure(`tls { cert_file: "${named.serverCert}", key_file: "${named.serverKey}" }`);
        await using nats = await startNats({ program, configFile });
        const servers = [tlsUrl(nats.url).replace("127.0.0.1", host)];
        const connecting = connect({ servers, tlsCaFile: named.ca });
        if (isAccepted) await (await connecting)[Symbol.asyncDispose]();
        else await expect(connecting).rejects.toThrow("not reached");
      },
    );

    it("presents the client's certificate to a server that asks for one", async () => {
      configure(serverTls(`, ca_file: "${files.ca}", verify: true`));
      await using nats = await startNats({ program, configFile });
      const transport = { servers: [tlsUrl(nats.url)], tlsCaFile: files.ca };
      const bus = await connect({ ...transport, tlsCertFile: files.clientCert, tlsKeyFile: files.clientKey });
      expect(bus.encrypted).toBe(true);
      await bus[Symbol.asyncDispose]();
    });

    it.each([
      {
        what: "of an authority that is not configured",
        ca: () => undefined,
        problem: "its certificate is not issued by a known authority; set NATS_TLS_CA",
      },
      {
        what: "of another authority than the file has",
        ca: () => foreign.ca,
        problem: "its certificate is not issued by an authority in the file that NATS_TLS_CA names",
      },
      {
        what: "that has expired",
        validity: [-7_200_000, -3_600_000] as const,
        problem: "its certificate has expired",
      },
      {
        what: "that is not valid yet",
        validity: [3_600_000, 7_200_000] as const,
        problem: "its certificate is not valid yet: compare the clocks",
      },
      {
        what: "for another host",
        names: ["other.example"],
        problem: "its certificate is not for the host name or address in its URL",
      },
    ])(
      "that fails because of a certificate $what warns of it while it waits, and ends with it",
      async ({ problem, names, validity, ca }) => {
        using ownDir = createTempDir();
        const own = createCertificates(ownDir.path, names, validity);
        configure(`tls { cert_file: "${own.serverCert}", key_file: "${own.serverKey}" }`);
        await using nats = await startNats({ program, configFile });
        const logs = collectLogs();
        const tlsCaFile = ca === undefined ? own.ca : ca();
        const servers = [tlsUrl(nats.url)];
        const transport = { servers, ...(tlsCaFile && { tlsCaFile }) };
        // Time for a first try, on a loaded machine too, and for one more.
        const connecting = connectBus({ ...transport, name: "careful", log: logs.log, timeoutMs: 1500 });
        await expect(connecting).rejects.toThrow(new RegExp(`not reached within .*: ${problem}$`));
        expect(logs.lines).toMatchObject([{ level: "warn", msg: `waiting for NATS: ${problem}` }]);
      },
    );

    it.each([
      ["the URL", (url: string): Transport => ({ servers: [tlsUrl(url)] })],
      ["an authority", (url: string): Transport => ({ servers: [url], tlsCaFile: files.ca })],
    ])("is required by %s: a server that offers none is refused at once", async (_name, transport) => {
      configure("");
      await using nats = await startNats({ program, configFile });
      await expect(connect(transport(nats.url))).rejects.toMatchObject({ code: "FORBIDDEN" });
      const bus = await connect({ servers: [nats.url] });
      expect(bus.encrypted).toBe(false);
      await bus[Symbol.asyncDispose]();
    });

    it("stays required: a server that comes back without it is not used, one that comes back with it is", async () => {
      configure(serverTls());
      await using nats = await startNats({ program, configFile });
      const bus = await connect({ servers: [nats.url], tlsCaFile: files.ca });
      configure("debug: true");
      await nats.restart();
      const tries = (): number => nats.output.match(/Client connection created/g)?.length ?? 0;
      await eventually(() => tries() >= 3);
      expect(bus.connected).toBe(false);
      configure(serverTls());
      await nats.restart();
      await eventually(() => bus.connected);
      expect(bus.encrypted).toBe(true);
      await bus[Symbol.asyncDispose]();
    });
  });
});
