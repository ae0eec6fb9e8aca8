import { accessSync, constants } from "node:fs";

/** True when this process may run that file. */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
