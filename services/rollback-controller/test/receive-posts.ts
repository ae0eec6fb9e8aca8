import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface ReceivedPost {
  readonly path: string;
  readonly contentType: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: any posted value, for matchers
  readonly body: any;
}

/** Answers a post, or leaves it unanswered. */
export type Answer = (response: ServerResponse, post: ReceivedPost) => void | Promise<void>;

export interface PostReceiver extends AsyncDisposable {
  readonly url: string;
  readonly posts: readonly ReceivedPost[];
  /** The reaction to posts from now on. */
  answer: Answer;
}

/** The answers of PagerDuty's Events API v2 and of Slack to an accepted post. */
export const PAGERDUTY_TAKES: Answer = (response, { body }) => {
  const taken = { status: "success", message: "Event processed", dedup_key: body.dedup_key };
  response.writeHead(202, { "content-type": "application/json" }).end(JSON.stringify(taken));
};
export const SLACK_TAKES: Answer = (response) => void response.writeHead(200).end("ok");
export const status =
  (code: number, text = "", headers: Record<string, string> = {}): Answer =>
  (response) =>
    void response.writeHead(code, headers).end(text);

/** A real HTTP server on a free port of the loopback. */
export async function receivePosts(answer: Answer): Promise<PostReceiver> {
  const posts: ReceivedPost[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const post = {
      path: request.url ?? "/",
      contentType: request.headers["content-type"],
      body: JSON.parse(Buffer.concat(chunks).toString("utf8")),
    };
    posts.push(post);
    await receiver.answer(response, post);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const receiver: PostReceiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    posts,
    answer,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return receiver;
}
