import { statSync } from "node:fs";

const POLL_EVERY_MS = 500;

/**
 * Runs `onChange` whenever a file differs from what it was at the time of the call: written, removed, or replaced. It polls, since a mounted
 * file may be replaced through a symbolic link, which no notification follows. Call it before the first read: then no change is missed.
 */
export function followFile(file: string, onChange: () => void): Disposable {
  let mark = markOf(file);
  const poll = (): void => {
    const now = markOf(file);
    if (now === mark) return;
    mark = now;
    onChange();
  };
  const timer = setInterval(poll, POLL_EVERY_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Differs after each change; "" for a file that is missing or unreadable. */
function markOf(file: string): string {
  try {
    const { ino, mtimeMs, ctimeMs, size } = statSync(file);
    return [ino, mtimeMs, ctimeMs, size].join(" ");
  } catch {
    return "";
  }
}
