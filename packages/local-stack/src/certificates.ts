import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import { join } from "node:path";

/** Files (PEM) for TLS. */
export interface Certificates {
  /** The authority that signed the other two. */
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

/**
 * Writes a new authority, a server's certificate and a client's into `dir`.
 * @param names host names and IPv4 addresses that the certificates are for
 * @param validity ms from now at which the certificates of the server and the client begin and end; default a day
 */
export function createCertificates(
  dir: string,
  names = ["localhost", "127.0.0.1"],
  validity: Validity = DAY,
): Certificates {
  const authority = { name: "SCBE test authority", keys: newKeys() };
  const write = (file: string, text: string): string => {
    const path = join(dir, file);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const issue = (name: string): { cert: string; key: string } => {
    const keys = newKeys();
    return {
      cert: write(`${name}.crt`, certificate(name, names, keys.publicKey, authority, validity)),
      key: write(`${name}.key`, keys.privateKey.export({ format: "pem", type: "pkcs8" }).toString()),
    };
  };
  const server = issue("server");
  const client = issue("client");
  return {
    ca: write("ca.crt", certificate(authority.name, names, authority.keys.publicKey, authority, DAY)),
    serverCert: server.cert,
    serverKey: server.key,
    clientCert: client.cert,
    clientKey: client.key,
  };
}

type Validity = readonly [begins: number, ends: number];

const HOUR_MS = 3_600_000;
const DAY: Validity = [-HOUR_MS, 24 * HOUR_MS];

interface Keys {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

interface Authority {
  readonly name: string;
  readonly keys: Keys;
}

function newKeys(): Keys {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

/** An X.509 v3 certificate (RFC 5280, section 4.1) for host names and addresses, signed with ECDSA and SHA-256. */
function certificate(
  name: string,
  hosts: readonly string[],
  publicKey: KeyObject,
  authority: Authority,
  [begins, ends]: Validity,
): string {
  const isAuthority = name === authority.name;
  const now = Date.now();
  const toBeSigned = sequence(
    der(0xa0, integer(Uint8Array.of(2))),
    integer(Uint8Array.of(1, ...randomBytes(8))),
    ECDSA_WITH_SHA256,
    distinguishedName(authority.name),
    sequence(time(now + begins), time(now + ends)),
    distinguishedName(name),
    publicKey.export({ format: "der", type: "spki" }),
    der(0xa3, sequence(basicConstraints(isAuthority), alternativeNames(hosts))),
  );
  const signature = sign("sha256", toBeSigned, authority.keys.privateKey);
  const bytes = sequence(toBeSigned, ECDSA_WITH_SHA256, der(0x03, Uint8Array.of(0), signature));
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

/** 1.2.840.10045.4.3.2 */
const ECDSA_WITH_SHA256 = sequence(Buffer.from("06082a8648ce3d040302", "hex"));

function distinguishedName(name: string): Buffer {
  const commonName = Buffer.from("0603550403", "hex");
  return sequence(der(0x31, sequence(commonName, der(0x0c, Buffer.from(name)))));
}

/** UTCTime: YYMMDDHHMMSSZ. */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, "").slice(2, 14);
  return der(0x17, Buffer.from(`${digits}Z`));
}

function basicConstraints(isAuthority: boolean): Buffer {
  const value = isAuthority ? sequence(der(0x01, Uint8Array.of(0xff))) : sequence();
  return sequence(Buffer.from("0603551d13", "hex"), der(0x01, Uint8Array.of(0xff)), der(0x04, value));
}

function alternativeNames(hosts: readonly string[]): Buffer {
  const names = sequence(
    ...hosts.map((host) =>
      isIPv4(host) ? der(0x87, Uint8Array.from(host.split("."), Number)) : der(0x82, Buffer.from(host)),
    ),
  );
  return sequence(Buffer.from("0603551d11", "hex"), der(0x04, names));
}

function integer(bytes: Uint8Array): Buffer {
  return der(0x02, bytes);
}

function sequence(...parts: Uint8Array[]): Buffer {
  return der(0x30, ...parts);
}

/** One value in DER: its tag, its length, its content. */
function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.of(tag, ...size), content]);
}
