import { appendFileSync } from "node:fs";
import { registerHooks } from "node:module";

/**
 * Preloaded by `--import`: writes the name of every OpenTelemetry package into the file `RECORD_MODULES_FILE` at its first
 * `import` or `require`.
 */
const file = process.env.RECORD_MODULES_FILE ?? "";
const seen = new Set<string>();

registerHooks({
  resolve: (specifier, context, next) => {
    const resolved = next(specifier, context);
    const [, name] = /\/node_modules\/(@opentelemetry\/[^/]+)\//.exec(resolved.url) ?? [];
    if (name !== undefined && !seen.has(name)) {
      seen.add(name);
      appendFileSync(file, `${name}\n`);
    }
    return resolved;
  },
});
