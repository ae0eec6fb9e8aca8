import { appendFileSync } from "node:fs";
import { registerHooks } from "node:module";

/**
 * Preloaded by `--import` into a process whose modules are of interest: writes the name of every package of OpenTelemetry into
 * the file `RECORD_MODULES_FILE`, when it is first asked for, by `import` or `require`.
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
