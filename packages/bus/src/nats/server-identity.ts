import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";

/** What Node asks a certificate for when it is told neither a name nor an address. */
const NO_NAME = "localhost";

/**
 * Whose certificate a NATS server must show. Where a server's URL holds an address, the client library tells TLS no name at
 * all, and any certificate for `localhost` would do: then it must be for one of the addresses.
 * @param servers URLs
 * @returns what TLS takes as `checkServerIdentity`: the problem, or undefined
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
