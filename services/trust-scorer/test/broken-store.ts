import { BUCKET_HISTORY, STREAMS } from "@scbe/contracts";
import { connectRawStore, eventually } from "@scbe/testkit";
import { LONG, type Stage } from "./scorer-stage.ts";

export const JUNK = Buffer.from("{}");

/** The present entry of a key of the trust bucket; waits until it exists. */
export async function entryOf({ bucket }: Pick<Stage, "bucket">, key: string) {
  const { value, revision } = await eventually(() => bucket.get(key), LONG);
  return { value: Buffer.from(value), revision };
}

/** Like `nats kv put`. */
export async function put(stage: Pick<Stage, "bucket">, key: string, value: Uint8Array): Promise<void> {
  await stage.bucket.update(key, value, (await entryOf(stage, key)).revision);
}

/** Makes every value of a key unreadable. */
export async function putOnlyJunk(stage: Pick<Stage, "bucket">, key: string): Promise<void> {
  for (let n = 0; n < BUCKET_HISTORY; n += 1) await put(stage, key, JUNK);
}

/** Makes the trust stream drop messages as its limits do: by age all of them, by count all but the newest of each subject. Later messages are kept. */
export async function dropEvents(stage: Pick<Stage, "nats" | "events">, by: "time" | "number") {
  await using provisioning = await connectRawStore(stage.nats, "trust", "provision");
  const ask = async (verb: string, config?: object) =>
    (
      await provisioning.connection.request(
        `$JS.API.STREAM.${verb}.${STREAMS.trustEvents}`,
        JSON.stringify(config),
      )
    ).json<{ readonly config: object; readonly error?: object }>();
  const { config } = await ask("INFO");
  const bound =
    by === "time" ? { max_age: 100_000_000, duplicate_window: 100_000_000 } : { max_msgs_per_subject: 1 };
  const before = (await stage.events.bounds()).messages;
  await ask("UPDATE", { ...config, ...bound });
  await eventually(async () => {
    const { messages } = await stage.events.bounds();
    return by === "time" ? messages === 0 : messages < before;
  }, LONG);
  await ask("UPDATE", config);
}
