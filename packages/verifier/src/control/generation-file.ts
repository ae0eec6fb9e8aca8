import { readFileSync } from "node:fs";
import { open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { ENVIRONMENTS, type Environment, Generation, ScbeError } from "@scbe/contracts";
import { type Logger, ownFolder, whyNotOwn } from "@scbe/runtime";
import { z } from "zod";

const FILE = "control-generation.json";

const Content = z.strictObject({ v: z.literal(1), env: z.enum(ENVIRONMENTS), generation: Generation });

export interface GenerationFileOptions {
  /** The folder; it is created if it is missing. */
  readonly dir: string;
  readonly env: Environment;
  readonly log: Logger;
}

/**
 * Keeps the highest generation that this process obeyed across restarts: without it, an attacker that replays an old document and cuts off
 * the controllers would gain from a restart. Processes that share a folder keep the highest generation of all.
 */
export class GenerationFile implements AsyncDisposable {
  readonly #path: string;
  readonly #options: GenerationFileOptions;
  readonly #atStart: number;
  #highest: number;
  #writing: Promise<void> | undefined;
  #hasFailed = false;

  /** @throws ScbeError BAD_REQUEST for a folder or file that cannot be used; its message says what to do */
  constructor(options: GenerationFileOptions) {
    this.#options = options;
    this.#path = join(options.dir, FILE);
    this.#atStart = this.#readAtStart();
    this.#highest = this.#atStart;
  }

  /** The generation in the file when the process started; 0 without a file. */
  get atStart(): number {
    return this.#atStart;
  }

  /** Writes `generation` in the background if it is higher than all before. Repeated failures are logged once. */
  raise(generation: number): void {
    if (generation <= this.#highest) return;
    this.#highest = generation;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Waits until pending writes end. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    for (let written = 0; written < this.#highest; ) {
      const generation = this.#highest;
      try {
        await this.#replace(Math.max(generation, await this.#stored()));
        this.#hasFailed = false;
      } catch (error) {
        this.#logFailure(error);
        return;
      }
      written = generation;
    }
  }

  /** Atomic, also when the machine stops halfway. */
  async #replace(generation: number): Promise<void> {
    const fresh = `${this.#path}.${crypto.randomUUID()}.new`;
    const file = await open(fresh, "wx", 0o600);
    try {
      const content: z.infer<typeof Content> = { v: 1, env: this.#options.env, generation };
      await file.writeFile(`${JSON.stringify(content)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, this.#path).catch(async (error: unknown) => {
      await rm(fresh, { force: true });
      throw error;
    });
  }

  async #stored(): Promise<number> {
    return readFile(this.#path, "utf8").then(
      (text) => this.#parse(text),
      () => 0,
    );
  }

  #readAtStart(): number {
    const { dir } = this.#options;
    try {
      ownFolder(dir);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ScbeError("BAD_REQUEST", `SCBE_STATE_DIR: ${why}`, { cause });
    }
    const why = whyNotOwn(this.#path);
    if (why !== undefined) throw new ScbeError("BAD_REQUEST", `SCBE_STATE_DIR: ${why}`);
    const text = readIfThere(this.#path);
    return text === undefined ? 0 : this.#parse(text);
  }

  #parse(text: string): number {
    const parsed = parseJson(text);
    if (parsed === undefined) throw unusable(this.#path, "is damaged");
    if (parsed.env !== this.#options.env) throw unusable(this.#path, `belongs to environment ${parsed.env}`);
    return parsed.generation;
  }

  #logFailure(error: unknown): void {
    const code = error instanceof Error && "code" in error ? String(error.code) : "INTERNAL";
    if (!this.#hasFailed)
      this.#options.log.warn({ code, path: this.#path }, "the control generation cannot be stored");
    this.#hasFailed = true;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw unusable(path, "cannot be read", cause);
  }
}

function parseJson(text: string): z.infer<typeof Content> | undefined {
  try {
    return Content.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function unusable(path: string, why: string, cause?: unknown): ScbeError {
  const advice = "delete it to start without it, or set another SCBE_STATE_DIR";
  return new ScbeError("BAD_REQUEST", `${path} ${why}: ${advice}`, { cause });
}
