/**
 * Sentences in many scripts, for bodies that go wrong wherever bytes, code units and characters are mixed up: letters of
 * two, three and four bytes, right to left, combining marks that no normalization may touch, joined emoji.
 */
export const WORDS: readonly string[] = [
  "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
  "Η γρήγορη αλεπού περνά πάνω από το ήρεμο ποτάμι.",
  "Быстрая лиса перепрыгивает через спокойную реку.",
  "השועל המהיר חוצה את הנהר השקט.",
  "الثعلب السريع يعبر النهر الهادئ.",
  "तेज़ लोमड़ी शांत नदी पार करती है।",
  "素早い狐が静かな川を渡ります。",
  "敏捷的狐狸越过平静的河流。",
  "빠른 여우가 고요한 강을 건넙니다.",
  "สุนัขจิ้งจอกวิ่งข้ามแม่น้ำ",
  "Con cáo nhanh nhẹn vượt qua dòng sông lặng.",
  // The same letters twice: composed, and as letter and combining mark.
  "Caf\u00e9 and Cafe\u0301, \u00c5ngstr\u00f6m and A\u030angstro\u0308m, n\u0303 and q\u0303\u0323.",
  "🦊🏞️ 👩🏽‍🔬👨‍👩‍👧‍👦 🏳️‍🌈 🇨🇭 𝒳𝒴𝒵 𐐷",
  'Plain "quotes", back\\slashes, tabs\tand\nnew lines.',
];

/** Words of exactly so many bytes of JSON, without the quotes around them; another `start` begins with other words. */
export function overridesOf(jsonBytes: number, start: number): string {
  let text = "";
  let left = jsonBytes;
  for (let index = start; ; index += 1) {
    const next = `${WORDS[index % WORDS.length] ?? ""} `;
    const bytes = jsonBytesOf(next);
    if (bytes > left) return text + ".".repeat(left);
    text += next;
    left -= bytes;
  }
}

function jsonBytesOf(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}
