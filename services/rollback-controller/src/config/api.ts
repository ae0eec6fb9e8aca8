import { isUserNkey } from "@scbe/envelope/grant";
import { choice, text, url } from "@scbe/service-kit";

/** What the control API knows of the deployment around it. */
export const apiVariables = {
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
  SCBE_FALLBACK: choice(["allow", "refuse"], {
    default: "refuse",
    doc: "As orchestrators and gateways of this deployment have it. By it the API warns of a change that would have traffic refused.",
  }),
};
