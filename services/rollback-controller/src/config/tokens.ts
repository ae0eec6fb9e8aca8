import { path, text } from "@scbe/runtime";

const TOKEN_PATTERN = /^[\x21-\x7e]{16,512}$/;
const EXPECTED = "16 to 512 printable characters without spaces";

type Values = Readonly<Record<string, unknown>>;

/** The tokens of the control API. Without one of them, nobody has its rights. */
export const tokenVariables = {
  ADMIN_TOKEN: text({
    pattern: TOKEN_PATTERN,
    expected: EXPECTED,
    optional: true,
    secret: true,
    doc: "The bearer token that may do everything in the control API.",
    check: (token, values) => sameAs(token, values, ["EMERGENCY_TOKEN", "SCBE_ALERTMANAGER_TOKEN"]),
  }),
  EMERGENCY_TOKEN: text({
    pattern: TOKEN_PATTERN,
    expected: EXPECTED,
    optional: true,
    secret: true,
    doc: "The bearer token that may engage the kill switch, read the flags, and do nothing else.",
    check: (token, values) => sameAs(token, values, ["SCBE_ALERTMANAGER_TOKEN"]),
  }),
  SCBE_ALERTMANAGER_TOKEN: text({
    pattern: TOKEN_PATTERN,
    expected: EXPECTED,
    optional: true,
    secret: true,
    doc: "The bearer token that Alertmanager sends alerts with; good for its webhook alone.",
  }),
  SCBE_API_TOKENS_FILE: path({
    optional: true,
    doc: "Further tokens, each with a name that stands in the audit: JSON, a list of `{name, role, sha256}` with the role admin, emergency or alertmanager and the SHA-256 of the token in hexadecimal digits. It is read again when it changes.",
  }),
};

/** A token with two names would have the rights of the larger one. */
function sameAs(token: string, values: Values, names: readonly string[]): string | undefined {
  const twin = names.find((name) => values[name] === token);
  return twin && `is the same as ${twin}; each needs one of its own`;
}
