import { isIP } from "node:net";

const LOOPBACK = ["localhost", "127.0.0.1", "::1"];
/** A name or an address, an IPv6 one in brackets, and perhaps a port. */
const HOST = /^(?:\[([0-9a-f:.]+)\]|([^:/?#@\s[\]]+))(?::\d{1,5})?$/i;

export interface HostRules {
  /** On which the server listens. */
  readonly host: string;
  /** Further names and addresses. */
  readonly hosts: readonly string[];
}

/**
 * Tells which `Host` headers are meant for a server: loopback names, the address that it listens on, the very address that the connection
 * came in on, and what is configured. A page of another site whose name was made to resolve to this server (DNS rebinding) brings its own
 * name, which is none of them.
 */
export function hostCheck({ host, hosts }: HostRules) {
  const known = new Set([...LOOPBACK, host, ...hosts].map(plain));
  return (header: string, localAddress: string | undefined): boolean => {
    const [, address, name] = HOST.exec(header) ?? [];
    const asked = plain(address ?? name ?? "");
    if (asked === "") return false;
    return known.has(asked) || (isIP(asked) !== 0 && asked === plain(localAddress ?? ""));
  };
}

/** In lower case, without the dot of a full name's end, and without what marks an IPv4 address on an IPv6 socket. */
function plain(name: string): string {
  return name
    .toLowerCase()
    .replace(/\.$/, "")
    .replace(/^::ffff:(?=\d+\.)/, "");
}
