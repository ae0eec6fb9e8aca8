import { readFileSync, writeFileSync } from "node:fs";
import { type Bus, connectBus } from "@scbe/bus";
import type { UnkeyedUser } from "@scbe/contracts";
import { collectLogs, type SecuredNats, startSecuredNats } from "@scbe/testkit";

/** A secured server, and all that has gone over it. */
export interface TappedNats extends AsyncDisposable {
  readonly nats: SecuredNats;
  /** Every message so far: subject and bytes. */
  readonly heard: readonly Buffer[];
  /** Whether these bytes went over the bus: as they are, in hex, in base64 or base64url. */
  heardBytes(bytes: Uint8Array): boolean;
  /** Connected as the user that may do anything. */
  readonly bus: Bus;
}

/** Starts a secured server with one more user, who may publish and subscribe everything, and listens on `>` as that one. */
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

/** A user without permissions in the server's configuration has all of them. */
function grantAll({ credentials }: SecuredNats, name: string): void {
  const nkey = credentials.users.find((user) => user.name === name)?.nkey;
  const text = readFileSync(credentials.configFile, "utf8");
  const block = new RegExp(`\\{ nkey: ${nkey}, permissions: \\{[\\s\\S]*?\n {6}\\} \\}`);
  if (!block.test(text)) throw new Error(`no block of ${name} in the server's configuration`);
  writeFileSync(credentials.configFile, text.replace(block, `{ nkey: ${nkey} }`));
}

/** No service knows of the user any more. */
function unlist({ credentials }: SecuredNats, name: string): void {
  const users = JSON.parse(readFileSync(credentials.usersFile, "utf8")) as { name: string }[];
  writeFileSync(credentials.usersFile, JSON.stringify(users.filter((user) => user.name !== name)));
}

/** Base64 of bytes in the middle of others looks different at each of three offsets, so its decodable cores are sought. */
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
