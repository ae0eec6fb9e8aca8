import { environmentVariables, opsVariables, storeVariables, transportVariables } from "@scbe/bus";
import { type ConfigValues, defineConfig } from "@scbe/runtime";
import { usersVariables } from "@scbe/service";
import { apiVariables } from "./config/api.ts";
import { canaryVariables } from "./config/canary.ts";
import { controlVariables } from "./config/control.ts";
import { noticeVariables } from "./config/notices.ts";
import { rollbackVariables } from "./config/rollback.ts";
import { tokenVariables } from "./config/tokens.ts";

const { SCBE_ENVIRONMENT, SCBE_PROVIDERS } = environmentVariables;

/** Every variable of the rollback controller. */
export const config = defineConfig({
  SCBE_ENVIRONMENT,
  SCBE_PROVIDERS,
  ...transportVariables,
  ...storeVariables,
  ...opsVariables(7105),
  ...controlVariables,
  ...usersVariables,
  ...tokenVariables,
  ...apiVariables,
  ...rollbackVariables,
  ...noticeVariables,
  ...canaryVariables,
});

/** The rollback controller's configuration. */
export type RollbackControllerConfig = ConfigValues<typeof config>;
