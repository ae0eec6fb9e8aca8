import { cutText } from "@scbe/contracts";

const CHARACTERS_MAX = 200;

/**
 * A value of the environment as a message may show it: its start, without what may be a user and password of a URL (all between the scheme
 * and the last @) or secrets in its query. In a path an @ is nothing special, unless a URL was put in its place.
 */
export function showValue(raw: string, { isPath = false }: { readonly isPath?: boolean } = {}): string {
  const isUrl = raw.includes("://");
  const shown = isPath && !isUrl ? raw : withoutLogin(raw);
  return cutText(isUrl ? shown.replace(/\?.*$/s, "?***") : shown, CHARACTERS_MAX);
}

/** A password may hold any character, so what is left out goes on until the last @, also where several URLs are listed. */
function withoutLogin(text: string): string {
  const end = text.lastIndexOf("@");
  if (end === -1) return text;
  const [scheme = ""] = /^[\s\w+.-]*?:\/\//.exec(text.slice(0, end)) ?? [];
  return `${scheme}***${text.slice(end)}`;
}
