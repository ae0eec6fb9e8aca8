import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { listenOnLoopback } from "./listen.ts";

/** What a {@link FaultProxy} does with a request. */
export type Fault =
  | { readonly kind: "pass" }
  /** Closes the connection without an answer. */
  | { readonly kind: "refuse" }
  /** Accepts the request and never answers. */
  | { readonly kind: "hang" }
  /** Answers without the server behind it. */
  | { readonly kind: "answer"; readonly status: number; readonly body: string };

/** An HTTP proxy in front of one server, with faults that a test chooses. */
export interface FaultProxy extends AsyncDisposable {
  readonly url: string;
  /** Applies to requests from now on. */
  fault: Fault;
  /** Requests received so far. */
  readonly requests: number;
}

/** Starts on a free port of the loopback. It forwards to `target` until {@link FaultProxy.fault} is set. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    void handle(proxy.fault, target, request, response).catch(() => response.destroy());
  });
  const port = await listenOnLoopback(server);
  const proxy: { fault: Fault } & Omit<FaultProxy, "fault"> = {
    url: `http://127.0.0.1:${port}`,
    fault: { kind: "pass" },
    get requests() {
      return requests;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return proxy;
}

async function handle(
  fault: Fault,
  target: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (fault.kind === "refuse") response.destroy();
  else if (fault.kind === "answer") {
    response.writeHead(fault.status, { "content-type": "application/x-amz-json-1.1" }).end(fault.body);
  } else if (fault.kind === "pass") await forward(target, request, response);
}

async function forward(target: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const {
    host: _,
    connection: __,
    "content-length": ___,
    "transfer-encoding": ____,
    ...headers
  } = request.headers;
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const answer = await fetch(new URL(request.url ?? "/", target), {
    method: request.method ?? "GET",
    headers: Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)]),
    ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
  });
  response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" });
  if (answer.body === null) response.end();
  else Readable.fromWeb(answer.body).pipe(response);
}
