/** RFC 8785 for the values of messages: objects, arrays, ASCII texts, numbers, null. JavaScript's notation of numbers is that of the RFC. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, item]) => `${JSON.stringify(name)}:${canonical(item)}`).join(",")}}`;
}

/**
 * Other texts of the same JSON object: valid JSON, and refused as messages.
 * @param text canonical, of an object that ends with the member `"v":1`
 */
export function otherTexts(text: string): readonly (readonly [string, string])[] {
  const [first = ""] = /"\w+"/.exec(text) ?? [];
  const last = text.replace(/^\{(.*),("v":1)\}$/, "{$2,$1}");
  return [
    ["a space behind a colon", text.replace(":", ": ")],
    ["a line feed behind it", `${text}\n`],
    ["a byte order mark before it", `\ufeff${text}`],
    ["a member twice, with the same value", text.replace(/"v":1\}$/, '"v":1,"v":1}')],
    ["a member twice, with another value first", text.replace(/"v":1\}$/, '"v":2,"v":1}')],
    ["another order of members", last],
    [
      "an escape in a name",
      text.replace(
        first,
        first.replace('"', `"\\u00${first.charCodeAt(1).toString(16)}`).replace(/^("\\u00..)./, "$1"),
      ),
    ],
    ["1.0 for an integer", text.replace('"v":1}', '"v":1.0}')],
  ];
}
