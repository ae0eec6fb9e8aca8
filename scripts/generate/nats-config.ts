import {
  type AccessUser,
  deploymentUsers,
  type KeyedStoreUser,
  PROVIDERS,
  renderServerConfig,
  storeUsers,
} from "@scbe/contracts";

/** The variables that the configuration takes from the server's environment, beside one nkey for each user. */
const SERVER_VARIABLES = {
  tlsCert: "SCBE_NATS_TLS_CERT",
  tlsKey: "SCBE_NATS_TLS_KEY",
  storeDir: "SCBE_NATS_STORE_DIR",
} as const;

const HEAD = `# Generated from the access table by \`npm run generate\`; README.md beside it says how it is used.
# Everything that differs between servers comes from the environment. A variable that is missing keeps the server from starting.
`;

/** infra/nats/nats.conf: the production server's configuration, public nkeys and files taken from its environment. */
export function natsConfig(): string {
  const { tlsCert, tlsKey, storeDir } = SERVER_VARIABLES;
  const rendered = renderServerConfig(productionUsers(), productionStoreUsers(), {
    env: "prod",
    storeDir: `$${storeDir}`,
    tls: { cert: `$${tlsCert}`, key: `$${tlsKey}` },
  });
  return `${HEAD}\n${rendered}`;
}

/** One user for each process of a deployment with all providers. Its nkey is a variable that is named after it. */
export function productionUsers(): AccessUser[] {
  return deploymentUsers({ providers: PROVIDERS }).map((user) => ({
    ...user,
    nkey: variableOf(user.name),
  }));
}

/** The users of the stores' accounts: `keyring.store` is `SCBE_NKEY_KEYRING_STORE`. */
export function productionStoreUsers(): KeyedStoreUser[] {
  return storeUsers().map((user) => ({ ...user, nkey: variableOf(user.name) }));
}

function variableOf(name: string): string {
  return `$SCBE_NKEY_${name.toUpperCase().replaceAll(/[-.]/g, "_")}`;
}
