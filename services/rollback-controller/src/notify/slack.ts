import { cutText, type Environment } from "@scbe/contracts";
import { type Destination, type Notice, scopeName } from "./notice.ts";

/** The incoming webhook of a Slack channel. */
export function slack(env: Environment, url: string): Destination {
  return {
    name: "slack",
    url,
    bodies: (notice) => [slackMessage(notice, env)],
    accepts: (status, text) => status === 200 && text.trim() === "ok",
  };
}

const TEXT_MAX = 3000;

/** A notice as the body that an incoming webhook takes. */
export function slackMessage(notice: Notice, env: Environment): { readonly text: string } {
  return { text: cutText(`[${env}] ${textOf(notice)}`, TEXT_MAX) };
}

function textOf(notice: Notice): string {
  switch (notice.kind) {
    case "engaged": {
      const { mode, kill } = notice;
      const { cause, by, reason } = kill;
      const what = `:rotating_light: *Kill switch engaged* for *${scopeName(notice.scope)}* (${cause}, ${mode})`;
      return `${what}\nby ${escaped(by)}: ${escaped(reason)}`;
    }
    case "released":
      return `:white_check_mark: *Kill switch released* for *${scopeName(notice.scope)}*`;
    case "alone": {
      const silent = notice.path === "event" ? "alert" : "event";
      return `:warning: Nonce reuse at *${notice.provider}*: only the ${notice.path} has spoken, and no ${silent}`;
    }
  }
}

/** Without this a reason could mention a whole channel, or disguise a link. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
