/**
 * The start of a text, of at most that many characters (UTF-16 units). It is always well-formed: a character outside the basic plane, as an
 * emoji, is kept whole or left out, and half of one that was in the text before is shown as U+FFFD. So JCS, JSON and UTF-8 can hold it.
 */
export function cutText(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text.toWellFormed();
  const isPairSplit = isHigh(text.charCodeAt(charactersMax - 1)) && isLow(text.charCodeAt(charactersMax));
  return text.slice(0, isPairSplit ? charactersMax - 1 : charactersMax).toWellFormed();
}

/** The first half of a surrogate pair. */
function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** The second half of a surrogate pair. */
function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
