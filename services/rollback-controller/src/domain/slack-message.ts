import { cutText, type Environment } from "@scbe/contracts";
import { type Notice, scopeName } from "./notice.ts";

const TEXT_MAX = 3000;

/** What Slack is told, in the form that an incoming webhook takes. */
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

/** Else a reason could mention a whole channel, or show a link as something else. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
