import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";

/** Codes of Node's TLS for a certificate of an unknown issuer. */
const UNKNOWN_ISSUER: ReadonlySet<string> = new Set([
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "CERT_UNTRUSTED",
  // Signed by another authority of the same name.
  "CERT_SIGNATURE_FAILURE",
]);

const PROBLEMS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet: compare the clocks",
  CERT_REVOKED: "its certificate is revoked",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is not for the host name or address in its URL",
};

/** How the authority of a server's certificate is configured. */
export interface AuthoritySetting {
  /** The variable or the option. */
  readonly name: string;
  readonly isSet: boolean;
}

/**
 * What is wrong with a server's certificate, and what to do.
 * @param code of the TLS error
 * @returns undefined if the code does not concern a certificate
 */
export function certificateProblem(code: string, { name, isSet }: AuthoritySetting): string | undefined {
  if (!UNKNOWN_ISSUER.has(code)) return PROBLEMS[code];
  return isSet
    ? `its certificate is not issued by an authority in the file that ${name} names`
    : `its certificate is not issued by a known authority; set ${name}`;
}

/** The name that Node checks a certificate for if it gets neither a name nor an address. */
const NO_NAME = "localhost";

/**
 * Checks the host in a NATS server's certificate. If a server's URL has an address, the client library gives TLS no name at all, and any
 * certificate for `localhost` would be accepted; this accepts one for a configured address only.
 * @param servers URLs
 * @returns a `checkServerIdentity` for TLS, which returns the problem or undefined
 */
export function serverIdentity(servers: readonly string[]) {
  const hosts = servers.map((url) => new URL(url).hostname.replace(/^\[|\]$/g, ""));
  const unnamed = hosts.filter((host) => isIP(host) !== 0 || host === NO_NAME);
  return (name: string, certificate: PeerCertificate): Error | undefined => {
    const expected = name === NO_NAME ? unnamed : [name];
    const problems = expected.map((host) => checkServerIdentity(host, certificate));
    if (problems.includes(undefined)) return undefined;
    return problems[0] ?? new Error(`none of ${hosts.join(", ")} is called ${name}`);
  };
}

/**
 * What is wrong with a nats-server of this version; undefined if nothing is known. Since 2.11 a server publishes trace events to the subject in a
 * message's `Nats-Trace-Dest` header; before 2.11.15 and 2.12.6 it does so with its own rights, so that every user can publish to any subject of
 * its account (CVE-2026-33249).
 */
export function versionProblem(version: string): string | undefined {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.-]/).map(Number);
  const isAffected = major === 2 && ((minor === 11 && patch < 15) || (minor === 12 && patch < 6));
  if (!isAffected) return undefined;
  return `nats-server ${version} lets every user publish anywhere (CVE-2026-33249); take 2.11.15, 2.12.6 or a later one`;
}
