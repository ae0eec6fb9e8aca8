import { createServer, type IncomingHttpHeaders } from "node:http";
import { eventually } from "@scbe/local-stack";
import { listenOnLoopback } from "./listen.ts";

/** One alert of a webhook. */
export interface WebhookAlert {
  readonly status: "firing" | "resolved";
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** RFC 3339 */
  readonly startsAt: string;
}

/** One post of Alertmanager's webhook (version 4): the alerts of one group. */
export interface ReceivedWebhook {
  /** The path of the request. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** By `performance.now()`. */
  readonly at: number;
  /** The name of the receiver in Alertmanager's configuration. */
  readonly receiver: string;
  readonly status: "firing" | "resolved";
  /** The labels that define the group. */
  readonly groupLabels: Readonly<Record<string, string>>;
  readonly alerts: readonly WebhookAlert[];
}

export interface WebhookReceiver extends AsyncDisposable {
  /** `http://127.0.0.1:port`; every path accepts posts. */
  readonly url: string;
  readonly webhooks: readonly ReceivedWebhook[];
  /**
   * Waits for the first webhook that `isWanted` accepts.
   * @throws Error with the webhooks that came instead, after `timeoutMs` (default 10,000)
   */
  webhook(
    isWanted: (webhook: ReceivedWebhook) => boolean,
    options?: { timeoutMs?: number },
  ): Promise<ReceivedWebhook>;
}

/** Receives the posts of Alertmanager, on a free port of the loopback. */
export async function receiveWebhooks(): Promise<WebhookReceiver> {
  const webhooks: ReceivedWebhook[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    webhooks.push({
      ...body,
      path: request.url ?? "/",
      headers: request.headers,
      at: performance.now(),
    });
    response.writeHead(200).end();
  });
  const port = await listenOnLoopback(server);
  return {
    url: `http://127.0.0.1:${port}`,
    webhooks,
    webhook: async (isWanted, { timeoutMs = 10_000 } = {}) => {
      await eventually(() => webhooks.some(isWanted), { timeoutMs }).catch(() => undefined);
      const found = webhooks.find(isWanted);
      if (found !== undefined) return found;
      throw new Error(
        `only these webhooks came within ${timeoutMs} ms: ${JSON.stringify(webhooks.map(inShort))}`,
      );
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function inShort({ path, receiver, status, alerts }: ReceivedWebhook): object {
  return { path, receiver, status, alerts: alerts.map(({ labels }) => labels) };
}
