import { isUserNkey } from "@scbe/contracts";
import { choice, integer, list, path, text, url } from "@scbe/runtime";

const HOST_PATTERN = /^[A-Za-z0-9.:_-]{1,253}$/;
const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1)$/;

type Values = Readonly<Record<string, unknown>>;

/** Where the control API listens, and what it knows of the deployment around it. */
export const apiVariables = {
  SCBE_CONTROL_API_HOST: text({
    default: "127.0.0.1",
    pattern: HOST_PATTERN,
    expected: "an address or host name",
    doc: "The address on which the control API listens. One that is not loopback needs TLS.",
    check: plainProblem,
  }),
  SCBE_CONTROL_API_PORT: integer({
    default: 7100,
    min: 0,
    max: 65_535,
    unit: "TCP port",
    doc: "The control API listens here; 0 picks a free port, which the log names.",
  }),
  SCBE_CONTROL_API_HOSTS: list({
    optional: true,
    pattern: HOST_PATTERN,
    item: "a host name or address without port",
    max: 64,
    doc: "What requests may have as Host beside loopback names and the address that they came in on: the names under which people and proxies reach the control API. Any other is refused, so that no web page can reach it under a name of its own (DNS rebinding).",
  }),
  SCBE_CONTROL_API_TLS_CERT: path({
    optional: true,
    doc: "The certificate (PEM, with its chain) of the control API. It is read again when it changes.",
    check: (_value, { SCBE_CONTROL_API_TLS_KEY: key }) =>
      key === undefined ? "needs SCBE_CONTROL_API_TLS_KEY beside it" : undefined,
  }),
  SCBE_CONTROL_API_TLS_KEY: path({
    optional: true,
    private: true,
    doc: "The private key (PEM) of SCBE_CONTROL_API_TLS_CERT.",
    check: (_value, { SCBE_CONTROL_API_TLS_CERT: cert }) =>
      cert === undefined ? "needs SCBE_CONTROL_API_TLS_CERT beside it" : undefined,
  }),
  SCBE_CONTROL_API_PLAIN: choice(["refuse", "allow"], {
    default: "refuse",
    doc: "`allow`: plain HTTP also on an address that is not loopback, for a proxy that ends TLS in front of it on a network that nothing else is in.",
  }),
  PROMETHEUS_URL: url({
    schemes: ["http", "https"],
    optional: true,
    secret: true,
    doc: "The Prometheus that scrapes this deployment, a user and password in it included. Without it the API has no metrics to show, and no canary goes on.",
  }),
  SCBE_KEYRING_PUBLIC_KEY: text({
    optional: true,
    pattern: /^U[A-Z2-7]{55}$/,
    expected: "the keyring's public nkey: U and 55 characters of base32",
    doc: "Whose broadcasts tell which data key is in use; without it `GET /health/scbe` shows none.",
    check: (nkey) => (isUserNkey(nkey) ? undefined : "is no public nkey: its checksum is another"),
  }),
};

/** Tokens must not cross a network in the clear. */
function plainProblem(host: string, values: Values): string | undefined {
  const { SCBE_CONTROL_API_TLS_CERT: cert, SCBE_CONTROL_API_PLAIN: plain } = values;
  if (LOOPBACK.test(host) || cert !== undefined || plain === "allow") return undefined;
  return "is not loopback, and tokens would cross the network in the clear: set SCBE_CONTROL_API_TLS_CERT and SCBE_CONTROL_API_TLS_KEY, or SCBE_CONTROL_API_PLAIN=allow where a proxy in front of it ends TLS";
}
