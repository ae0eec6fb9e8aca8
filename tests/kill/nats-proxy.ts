import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { listenOnLoopback } from "@scbe/testkit";

/** One protocol line of NATS, with its payload if it has one. */
export interface Frame {
  readonly from: "client" | "server";
  readonly verb: string;
  /** "" if it has none. */
  readonly subject: string;
  /** The reply subject; "" if there is none. */
  readonly reply: string;
  /** The subscription of a delivered message; "" for all other frames. */
  readonly sid: string;
  /** Headers included. */
  readonly payload: Buffer;
  /** The whole frame. */
  readonly bytes: Buffer;
}

export type Judgement = "pass" | "drop" | "hold";

/** An attacker on the wire between NATS clients and their server, which reads, drops, delays and injects frames. */
export interface NatsProxy extends AsyncDisposable {
  /** Where clients connect. */
  readonly url: string;
  /** Decides about each frame; by default every frame passes. */
  judge: (frame: Frame) => Judgement;
  /** The number of frames held back. */
  readonly held: number;
  /** Forwards the frames that were held back, in their order. */
  release(): void;
  /** Writes bytes between two frames, to every connected client or, on each client's connection, to the server. */
  inject(to: "client" | "server", bytes: Uint8Array): void;
}

/** Starts on a free port of the loopback, in front of a server on the port `target` there. */
export async function startNatsProxy(target: number): Promise<NatsProxy> {
  const links = new Set<Record<Frame["from"], Socket>>();
  let held: (() => void)[] = [];
  const server = createServer((near) => {
    const link = { client: near, server: connect(target, "127.0.0.1") };
    links.add(link);
    for (const from of ["client", "server"] as const) {
      const to = other(link, from);
      link[from].setNoDelay(true);
      link[from].on("error", () => undefined);
      link[from].on("close", () => {
        to.destroy();
        links.delete(link);
      });
      readFrames(link[from], from, (frame) => {
        const judgement = proxy.judge(frame);
        if (judgement === "pass") to.write(frame.bytes);
        else if (judgement === "hold") held.push(() => to.write(frame.bytes));
      });
    }
  });
  const port = await listenOnLoopback(server);
  const proxy: NatsProxy = {
    url: `nats://127.0.0.1:${port}`,
    judge: () => "pass",
    get held() {
      return held.length;
    },
    release: () => {
      const all = held;
      held = [];
      for (const forward of all) forward();
    },
    inject: (to, bytes) => {
      for (const link of links) link[to].write(bytes);
    },
    [Symbol.asyncDispose]: async () => {
      for (const link of links) link.client.destroy();
      server.close();
      await once(server, "close");
    },
  };
  return proxy;
}

/** The frame that delivers a message to the subscription with this id. */
export function delivery(subject: string, sid: string, payload: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`MSG ${subject} ${sid} ${payload.length}\r\n`), payload, END]);
}

const END = Buffer.from("\r\n");
/** For frames with a payload: the number of words before `reply`, and of all words in a frame without `reply`. */
const CARRYING: Readonly<Record<string, { readonly reply: number; readonly words: number }>> = {
  PUB: { reply: 2, words: 3 },
  HPUB: { reply: 2, words: 4 },
  MSG: { reply: 3, words: 4 },
  HMSG: { reply: 3, words: 5 },
};

function other(link: Record<Frame["from"], Socket>, from: Frame["from"]): Socket {
  return from === "client" ? link.server : link.client;
}

function readFrames(socket: Socket, from: Frame["from"], onFrame: (frame: Frame) => void): void {
  let rest = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (let frame = frameIn(rest, from); frame !== undefined; frame = frameIn(rest, from)) {
      rest = rest.subarray(frame.bytes.length);
      onFrame(frame);
    }
  });
}

/** The first frame, if it is complete. */
function frameIn(bytes: Buffer, from: Frame["from"]): Frame | undefined {
  const lineEnd = bytes.indexOf(END);
  if (lineEnd < 0) return undefined;
  const words = bytes.toString("utf8", 0, lineEnd).split(/\s+/);
  const verb = (words[0] ?? "").toUpperCase();
  const carrying = CARRYING[verb];
  const start = lineEnd + END.length;
  if (carrying === undefined) {
    return {
      from,
      verb,
      subject: "",
      reply: "",
      sid: "",
      payload: Buffer.alloc(0),
      bytes: bytes.subarray(0, start),
    };
  }
  const end = start + Number(words.at(-1));
  if (bytes.length < end + END.length) return undefined;
  return {
    from,
    verb,
    subject: words[1] ?? "",
    reply: words.length > carrying.words ? (words[carrying.reply] ?? "") : "",
    sid: from === "server" ? (words[2] ?? "") : "",
    payload: bytes.subarray(start, end),
    bytes: bytes.subarray(0, end + END.length),
  };
}
