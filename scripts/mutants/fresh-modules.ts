import { readFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The file that is changed for one trial. */
export interface Changed {
  /** Absolute. */
  readonly path: string;
  /** In JavaScript. */
  readonly source: string;
}

const MARK = "?trial=";

/**
 * Gives each trial instances of its own of all modules below a folder, in one process: their addresses carry the trial's number. Installed
 * packages keep theirs.
 */
export class FreshModules {
  readonly #root: string;
  readonly #sources = new Map<string, string>();
  readonly #loaded = new Set<string>();
  #trial = 0;
  #changed: Changed | undefined;

  /** @param folder absolute; only one for each process */
  constructor(folder: string) {
    this.#root = pathToFileURL(`${folder}/`).href;
    registerHooks({
      resolve: (specifier, context, next) => {
        const found = next(specifier, context);
        return this.#isOurs(found.url) ? { ...found, url: `${found.url}${MARK}${this.#trial}` } : found;
      },
      load: (url, context, next) => {
        const [address = url, trial] = url.split(MARK);
        if (trial === undefined) return next(url, context);
        return { format: "module", source: this.#sourceOf(fileURLToPath(address)), shortCircuit: true };
      },
    });
  }

  /** Imports a module for a new trial, with one file changed or with none. */
  async import(path: string, changed?: Changed): Promise<Record<string, unknown>> {
    this.#trial += 1;
    this.#changed = changed;
    this.#loaded.clear();
    return await import(pathToFileURL(path).href);
  }

  /** The files that this trial has loaded, absolute. */
  get loaded(): readonly string[] {
    return [...this.#loaded];
  }

  #isOurs(url: string): boolean {
    const isCode = /\.(ts|mjs)$/.test(url);
    return isCode && url.startsWith(this.#root) && !url.includes("/node_modules/");
  }

  #sourceOf(path: string): string {
    this.#loaded.add(path);
    if (path === this.#changed?.path) return this.#changed.source;
    const known = this.#sources.get(path);
    if (known !== undefined) return known;
    const text = readFileSync(path, "utf8");
    const source = path.endsWith(".ts") ? stripTypeScriptTypes(text) : text;
    this.#sources.set(path, source);
    return source;
  }
}
