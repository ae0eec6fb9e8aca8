import type { Bucket } from "./store-bus.ts";

/**
 * The newest value of a key that can be read, of those that the bucket still has; undefined: none can.
 * @param read undefined for a value that is none
 * @throws ScbeError what reading the bucket throws
 */
export async function newestReadable<T>(
  bucket: Pick<Bucket, "history">,
  key: string,
  read: (value: Uint8Array) => T | undefined,
): Promise<T | undefined> {
  for (const { value } of await bucket.history(key)) {
    const found = read(value);
    if (found !== undefined) return found;
  }
  return undefined;
}
