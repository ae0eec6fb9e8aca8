import type { Client } from "@scbe/client";
import { eventually } from "@scbe/testkit";
import { forge, headerOf, type KnownKeys } from "../kit/known-keys.ts";
import type { RawCaller } from "../kit/raw-clients.ts";
import { keepDoing } from "../kit/traffic.ts";

/** Who takes part in what happens. */
export interface Cast {
  /** Whose clock is right, and whose envelopes can be altered. */
  readonly caller: RawCaller;
  readonly keys: KnownKeys;
  readonly orchestrator: Client;
  /** Two orchestrators whose clocks are seconds off; one of them has nearly nothing to do. */
  readonly ahead: Client;
  readonly idle: Client;
  /** Leaves the gateway of a provider with hardly any CPU, until what is returned is disposed of. */
  starve(provider: string): Promise<AsyncDisposable>;
}

/** What goes on at a provider, from the call until it is disposed of. The providers are named after it. */
export type Cause = (cast: Cast) => AsyncDisposable;

/** How long a burst lasts. */
export interface CauseTimes {
  readonly burstMs: number;
}

/** Everything that alerts have to be told of, and what looks like it for a moment. */
export function alertCauses({ burstMs }: CauseTimes) {
  return {
    /** A tenth of the traffic, all the time. */
    forged: (cast) => keepDoing(500, () => sendMany(cast, "forged", { genuine: 9, forged: 1 })),
    /** A third of hardly any traffic, again and again. */
    dripping: (cast) => keepDoing(1000, (turn) => send(cast, "dripping", turn % 3 === 0)),
    /** A second envelope, by somebody who has the keys, under the session and counter of the first. */
    reused: (cast) => once(eventually(() => reuse(cast), { timeoutMs: 20_000, everyMs: 200 })),
    starved: (cast) =>
      all(
        soon(cast.starve("starved")),
        keepDoing(1000, () => ask(cast.orchestrator, "starved", LARGE)),
        keepDoing(250, () => times(3, () => ask(cast.orchestrator, "starved"))),
      ),
    ahead: ({ ahead }) => keepDoing(100, () => ask(ahead, "ahead")),
    /** One alone. */
    single: (cast) => keepDoing(400, (turn) => send(cast, "single", turn === 5)),
    /** Traffic, then many forgeries and wrong clocks, and then all is well. */
    burst: (cast) =>
      keepDoing(250, async (turn) => {
        if (turn === FLOWING_TURNS) await burst(cast, burstMs);
        await sendMany(cast, "burst", { genuine: 5, forged: 0 });
      }),
    /** As `starved`, and then all is well for longer than a burst is seen. */
    choking: (cast) =>
      all(
        keepDoing(250, () => times(2, () => ask(cast.orchestrator, "choking"))),
        keepDoing(15 * burstMs, () => choke(cast, burstMs)),
      ),
    /** Traffic, and one who asks now and then, with a clock that is wrong. */
    idle: ({ orchestrator, idle }) =>
      keepDoing(200, async (turn) => {
        if (turn % 60 === 0) await ask(idle, "idle");
        await times(5, () => ask(orchestrator, "idle"));
      }),
    /** Every envelope twice. */
    replayed: (cast) => keepDoing(1000, () => sendTwice(cast, "replayed")),
    /** As `forged`, until nobody tells any more. */
    vanishing: (cast) => keepDoing(500, () => sendMany(cast, "vanishing", { genuine: 9, forged: 1 })),
  } as const satisfies Readonly<Record<string, Cause>>;
}

/** Of five envelopes each: a share of them can be told. */
const FLOWING_TURNS = 8;
const HELLO = Buffer.from("Hello");
/** Takes longer to open than a starved process runs without a break. */
const LARGE = Buffer.alloc(7 * 1024 * 1024, "a");

function seal({ caller }: Cast, provider: string): Buffer {
  const asked = { provider, model: "gpt-5", intent: "chat", body: HELLO, requestId: crypto.randomUUID() };
  return Buffer.from(caller.verifier.sealer.sealRequest(asked).bytes);
}

async function send(cast: Cast, provider: string, isForged: boolean): Promise<void> {
  const bytes = seal(cast, provider);
  const last = bytes.length - 1;
  if (isForged) bytes.writeUInt8(bytes.readUInt8(last) ^ 1, last);
  expectStatus(await cast.caller.send(provider, bytes), isForged ? "refused" : "sealed");
}

async function sendMany(
  cast: Cast,
  provider: string,
  { genuine, forged }: { readonly genuine: number; readonly forged: number },
): Promise<void> {
  await Promise.all([
    times(genuine, () => send(cast, provider, false)),
    times(forged, () => send(cast, provider, true)),
  ]);
}

async function sendTwice(cast: Cast, provider: string): Promise<void> {
  const bytes = seal(cast, provider);
  expectStatus(await cast.caller.send(provider, bytes), "sealed");
  expectStatus(await cast.caller.send(provider, bytes), "refused");
}

async function reuse(cast: Cast): Promise<true> {
  const first = seal(cast, "reused");
  const second = forge(cast.keys, headerOf(first), Buffer.from("another body"));
  expectStatus(await cast.caller.send("reused", first), "sealed");
  expectStatus(await cast.caller.send("reused", second), "refused");
  return true;
}

/** Not all of it need arrive. */
async function burst(cast: Cast, burstMs: number): Promise<void> {
  const until = performance.now() + burstMs;
  do {
    await Promise.allSettled([
      sendMany(cast, "burst", { genuine: 0, forged: 5 }),
      times(5, () => ask(cast.ahead, "burst")),
    ]);
  } while (performance.now() < until);
}

async function choke({ orchestrator, starve }: Cast, burstMs: number): Promise<void> {
  await using _starving = await starve("choking");
  const until = performance.now() + burstMs;
  do {
    // One after the other, or those that wait would look as if a clock were wrong.
    await Promise.allSettled([ask(orchestrator, "choking", LARGE)]);
  } while (performance.now() < until);
}

function times(count: number, action: () => Promise<unknown>): Promise<unknown> {
  return Promise.all(Array.from({ length: count }, action));
}

function ask(client: Client, provider: string, body: Buffer = HELLO): Promise<unknown> {
  return client.request({ provider, model: "gpt-5", intent: "chat", body, contentType: "text/plain" });
}

function expectStatus({ status }: { readonly status: string | undefined }, expected: string): void {
  if (status !== expected) throw new Error(`the answer is ${status}, not ${expected}`);
}

/** @throws why it did not come, at disposal */
function soon(coming: Promise<AsyncDisposable>): AsyncDisposable {
  coming.catch(() => undefined);
  return {
    [Symbol.asyncDispose]: async () => {
      await (await coming)[Symbol.asyncDispose]();
    },
  };
}

/** @throws what it threw, at disposal */
function once(doing: Promise<unknown>): AsyncDisposable {
  doing.catch(() => undefined);
  return { [Symbol.asyncDispose]: () => doing.then(() => undefined) };
}

function all(...several: readonly AsyncDisposable[]): AsyncDisposable {
  return {
    [Symbol.asyncDispose]: async () => {
      await Promise.all(several.map((one) => one[Symbol.asyncDispose]()));
    },
  };
}

/** The provider of each cause. */
export type CauseName = keyof ReturnType<typeof alertCauses>;
