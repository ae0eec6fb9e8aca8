import { randomInt } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * True when that very process listens on a TCP port. What answers on a port may be another program, which had it before; a server
 * that cannot tell its port by itself is known by this. Elsewhere than on Linux it cannot be seen, and is taken for true.
 */
export function listensOn(pid: number, port: number): boolean {
  if (process.platform !== "linux") return true;
  const inodes = new Set([...listening(pid, "tcp", port), ...listening(pid, "tcp6", port)]);
  return inodes.size > 0 && socketsOf(pid).some((inode) => inodes.has(inode));
}

/** Below the ports that systems give to outgoing connections, above those that programs are known by. */
const [FIRST, END] = [20_000, 32_000];

/**
 * A port to try, for a server that has to be told one. Nothing is reserved by it: the server binds it, or fails to and is given
 * another one.
 */
export function candidatePort(): number {
  return randomInt(FIRST, END);
}

/**
 * The port that a nats-server listens on for its clients. It writes a file that is named after its program and its process, with
 * `--ports_file_dir`.
 * @returns `undefined` before it listens
 */
export function portFromFile(folder: string, pid: number): number | undefined {
  const name = namesIn(folder).find((file) => file.endsWith(`_${pid}.ports`));
  const text = name === undefined ? "" : linesOf(`${folder}/${name}`).join("\n");
  const [, port] = /"nats":\s*\[\s*"(?:nats|tls):\/\/[^"]*:(\d+)"/.exec(text) ?? [];
  return port === undefined ? undefined : Number(port);
}

const LISTEN = "0A";
const [LOCAL, STATE, INODE] = [1, 3, 9];

/** The inodes of all sockets that listen on the port, as the process's own network has them. */
function listening(pid: number, table: "tcp" | "tcp6", port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return linesOf(`/proc/${pid}/net/${table}`)
    .map((line) => line.trim().split(/\s+/))
    .filter((row) => row[LOCAL]?.endsWith(suffix) === true && row[STATE] === LISTEN)
    .flatMap((row) => row[INODE] ?? []);
}

function socketsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return namesIn(folder).flatMap((name) => /^socket:\[(\d+)\]$/.exec(linkOf(`${folder}/${name}`))?.[1] ?? []);
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n");
  } catch {
    return [];
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
