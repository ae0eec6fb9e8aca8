import { readFileSync, writeFileSync } from "node:fs";
import { type Bus, connectBus } from "@scbe/bus";
import type { UnkeyedUser } from "@scbe/contracts";
import { collectLogs, type SecuredNats, startSecuredNats } from "@scbe/testkit";

/** A secured server, and every message on it. */
export interface TappedNats extends AsyncDisposable {
  readonly nats: SecuredNats;
  /** Every message so far: subject and bytes. */
  readonly heard: readonly Buffer[];
  /** Whether these bytes went over the bus: as they are, in hex, in base64 or base64url. */
  heardBytes(bytes: Uint8Array): boolean;
  /** Connected as a user without restrictions. */
  readonly bus: Bus;
}

/** Starts a secured server with one more user that can publish and subscribe everything, and listens on `>` as that user. */
export async function startTappedNats(users: readonly UnkeyedUser[] = []): Promise<TappedNats> {
  await using stack = new AsyncDisposableStack();
  const tap = { name: "tap", role: "orchestrator" as const, providers: ["openai", "anthropic"] };
  const nats = stack.use(
    await startSecuredNats({ providers: ["openai", "anthropic"], users: [...users, tap] }),
  );
  grantAll(nats, "tap");
  unlist(nats, "tap");
  await nats.server.restart();
  const bus = stack.use(await connectBus({ ...nats.transport("tap"), name: "tap", log: collectLogs().log }));
  const heard: Buffer[] = [];
  stack.use(
    bus.subscribe(">", ({ subject, data }) => heard.push(Buffer.concat([Buffer.from(subject), data]))),
  );
  await bus.flush();
  const held = stack.move();
  return {
    nats,
    bus,
    heard,
    heardBytes: (bytes) => heard.some((message) => holds(message, Buffer.from(bytes))),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** NATS gives all permissions to a user whose configuration has none. */
function grantAll({ credentials }: SecuredNats, name: string): void {
  const nkey = credentials.users.find((user) => user.name === name)?.nkey;
  const text = readFileSync(credentials.configFile, "utf8");
  const block = new RegExp(`\\{ nkey: ${nkey}, permissions: \\{[\\s\\S]*?\n {6}\\} \\}`);
  if (!block.test(text)) throw new Error(`no block of ${name} in the server's configuration`);
  writeFileSync(credentials.configFile, text.replace(block, `{ nkey: ${nkey} }`));
}

/** Removes the user from the list that the services read. */
function unlist({ credentials }: SecuredNats, name: string): void {
  const users = JSON.parse(readFileSync(credentials.usersFile, "utf8")) as { name: string }[];
  writeFileSync(credentials.usersFile, JSON.stringify(users.filter((user) => user.name !== name)));
}

/** Base64 of bytes within others differs at each of three offsets, so the search is for the part that does not depend on its neighbours. */
function holds(message: Buffer, bytes: Buffer): boolean {
  if (message.includes(bytes)) return true;
  const text = message.toString("latin1");
  const cores = [0, 1, 2].flatMap((offset) => {
    const shifted = Buffer.concat([Buffer.alloc(offset), bytes]);
    const core = (encoded: string) => encoded.slice(offset === 0 ? 0 : 4, -4);
    return [core(shifted.toString("base64")), core(shifted.toString("base64url"))];
  });
  return [bytes.toString("hex"), bytes.toString("hex").toUpperCase(), ...cores].some((form) =>
    text.includes(form),
  );
}
