import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { eventually } from "@scbe/local-stack";

/** One alert, as Alertmanager tells it. */
export interface ToldAlert {
  readonly status: "firing" | "resolved";
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** RFC 3339 */
  readonly startsAt: string;
}

/** One post of Alertmanager's webhook (version 4): the alerts of one group. */
export interface ReceivedWebhook {
  /** Where it was posted to. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** By `performance.now()`. */
  readonly at: number;
  /** The name of the receiver in Alertmanager's configuration. */
  readonly receiver: string;
  readonly status: "firing" | "resolved";
  /** The labels that the group was made by. */
  readonly groupLabels: Readonly<Record<string, string>>;
  readonly alerts: readonly ToldAlert[];
}

export interface WebhookReceiver extends AsyncDisposable {
  /** `http://127.0.0.1:port`; every path takes posts. */
  readonly url: string;
  readonly webhooks: readonly ReceivedWebhook[];
  /**
   * Resolves with the first one that `isWanted`, when it is here.
   * @throws Error that names what came instead, after `timeoutMs` (default 10,000)
   */
  webhook(
    isWanted: (webhook: ReceivedWebhook) => boolean,
    options?: { timeoutMs?: number },
  ): Promise<ReceivedWebhook>;
}

/** Takes what Alertmanager posts, on a free port of the loopback. */
export async function receiveWebhooks(): Promise<WebhookReceiver> {
  const webhooks: ReceivedWebhook[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const told = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    webhooks.push({
      ...told,
      path: request.url ?? "/",
      headers: request.headers,
      at: performance.now(),
    });
    response.writeHead(200).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    webhooks,
    webhook: async (isWanted, { timeoutMs = 10_000 } = {}) => {
      await eventually(() => webhooks.some(isWanted), { timeoutMs }).catch(() => undefined);
      const found = webhooks.find(isWanted);
      if (found !== undefined) return found;
      throw new Error(`within ${timeoutMs} ms came only ${JSON.stringify(webhooks.map(inShort))}`);
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
