/** Codes that Node's TLS has for a certificate whose issuer it does not know. */
const UNKNOWN_ISSUER: ReadonlySet<string> = new Set([
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "CERT_UNTRUSTED",
  // Another authority of the same name has signed it.
  "CERT_SIGNATURE_FAILURE",
]);

const PROBLEMS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet: compare the clocks",
  CERT_REVOKED: "its certificate is revoked",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is not for the host name or address in its URL",
};

/** How the authority of a server's certificate is set. */
export interface AuthoritySetting {
  /** The variable or the option. */
  readonly name: string;
  readonly isSet: boolean;
}

/**
 * What is wrong with a server's certificate, and what to do.
 * @param code of the error that TLS ended with
 * @returns undefined when the code is not about a certificate
 */
export function certificateProblem(code: string, { name, isSet }: AuthoritySetting): string | undefined {
  if (!UNKNOWN_ISSUER.has(code)) return PROBLEMS[code];
  return isSet
    ? `its certificate is not issued by an authority in the file that ${name} names`
    : `its certificate is not issued by a known authority; set ${name}`;
}
