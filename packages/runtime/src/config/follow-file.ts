import { statSync } from "node:fs";

const LOOK_EVERY_MS = 500;

/**
 * Runs `onChange` whenever a file has become another than it was at the time of the call: written, removed, or replaced. It is polled,
 * since a mounted file may be replaced by a link that no notification follows. Follow a file before it is read: what is written
 * meanwhile is told too.
 */
export function followFile(file: string, onChange: () => void): Disposable {
  let mark = markOf(file);
  const look = (): void => {
    const now = markOf(file);
    if (now === mark) return;
    mark = now;
    onChange();
  };
  const timer = setInterval(look, LOOK_EVERY_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Another one after each change; the same while there is no such file, or it may not be looked at. */
function markOf(file: string): string {
  try {
    const { ino, mtimeMs, ctimeMs, size } = statSync(file);
    return [ino, mtimeMs, ctimeMs, size].join(" ");
  } catch {
    return "";
  }
}
