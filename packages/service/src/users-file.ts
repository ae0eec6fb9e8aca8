import { readFile, stat } from "node:fs/promises";
import { type ListedUser, ScbeError, UserList } from "@scbe/contracts";
import type { Logger, Readiness } from "@scbe/runtime";
import { followFile, Listeners, path } from "@scbe/runtime";
import { z } from "zod";

/** The variable of services that use the list of the deployment's users. */
export const usersVariables = {
  SCBE_USERS_FILE: path({
    doc: "JSON: the deployment's users (users.json of the issued credentials), with the public nkey, role, providers and intents of each. Read again when it changes.",
  }),
};

export interface UsersFileOptions {
  readonly path: string;
  readonly log: Logger;
  /** Gets a note of the dependency `users` while a changed file is unreadable. */
  readonly readiness: Readiness;
}

const FILE_BYTES_MAX = 4 * 1024 * 1024;

/**
 * The deployment's users, by the file that lists them. A changed file is read again. If it is unreadable, the former list stays in force, and
 * readiness has a note.
 */
export class UsersFile implements Disposable {
  readonly #options: UsersFileOptions;
  readonly #listeners = new Listeners();
  #byNkey: ReadonlyMap<string, ListedUser> = new Map();
  #byName: ReadonlyMap<string, ListedUser> = new Map();
  #reading: Promise<void> = Promise.resolve();
  #following: Disposable | undefined;

  private constructor(options: UsersFileOptions) {
    this.#options = options;
  }

  /** @throws ScbeError BAD_REQUEST for an invalid file, with the place of the error */
  static async open(options: UsersFileOptions): Promise<UsersFile> {
    const file = new UsersFile(options);
    file.#following = followFile(options.path, () => {
      file.#reading = file.#reading.then(() => file.#readAgain());
    });
    try {
      file.#take(await readUsersFile(options.path));
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
    return file;
  }

  get users(): readonly ListedUser[] {
    return [...this.#byName.values()];
  }

  byNkey(nkey: string): ListedUser | undefined {
    return this.#byNkey.get(nkey);
  }

  byName(name: string): ListedUser | undefined {
    return this.#byName.get(name);
  }

  /** Runs after each change of the list. */
  onChange(listener: () => void): Disposable {
    return this.#listeners.add(listener);
  }

  [Symbol.dispose](): void {
    this.#following?.[Symbol.dispose]();
    this.#listeners.clear();
  }

  async #readAgain(): Promise<void> {
    const { log, readiness, path: file } = this.#options;
    try {
      this.#take(await readUsersFile(file));
    } catch (error) {
      log.error({ err: error }, "the changed list of users is not used; the former one stays in force");
      const note = "the changed list of users cannot be read; the former one is in force";
      readiness.set("users", { ok: true, note });
      return;
    }
    log.info({ users: this.#byName.size }, "the list of users has changed");
    this.#listeners.notify();
  }

  #take(users: UserList): void {
    this.#byNkey = new Map(users.map((user) => [user.nkey, user]));
    this.#byName = new Map(users.map((user) => [user.name, user]));
    this.#options.readiness.set("users", { ok: true });
  }
}

/** @throws ScbeError BAD_REQUEST with the place of the error */
async function readUsersFile(file: string): Promise<UserList> {
  const parsed = UserList.safeParse(await readJson(file));
  if (!parsed.success) throw unusable(z.prettifyError(parsed.error));
  return parsed.data;
}

async function readJson(file: string): Promise<unknown> {
  try {
    if ((await stat(file)).size > FILE_BYTES_MAX) throw new RangeError("it is too large");
    return JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    throw unusable("it cannot be read as JSON", cause);
  }
}

function unusable(why: string, cause?: unknown): ScbeError {
  return new ScbeError("BAD_REQUEST", `SCBE_USERS_FILE is not a list of users: ${why}`, { cause });
}
