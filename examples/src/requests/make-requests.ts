import { crc32 } from "node:zlib";
import type { Chat, Part } from "../chat.ts";
import { PROVIDER_NAMES, type ProviderName } from "../providers.ts";

/** The sizes of the sealed bodies in bytes; each provider gets small and large ones. */
const SIZES = [
  200, 256, 384, 512, 777, 1024, 1500, 2048, 3000, 4096, 6000, 8192, 10_000, 16_384, 20_000, 24_576, 32_768,
  40_000, 49_152, 65_536, 80_000, 98_304, 131_072, 262_144,
] as const;

const MODELS: Readonly<Record<ProviderName, string>> = {
  openai: "gpt-5",
  anthropic: "claude-sonnet-4-5",
  google: "gemini-2.5-flash",
  groq: "llama-3.3-70b-versatile",
  perplexity: "sonar",
  xai: "grok-4",
};

/** Bodies of this size or above hold nested data beside their words. */
const DATA_FROM_BYTES = 1024;
const PNG_SIDE = 32;

/** The text of `examples/requests.jsonl`; the same at every call. */
export function makeRequests(): string {
  const chats = SIZES.map((bytes, index) => {
    const provider =
      PROVIDER_NAMES[(index + Math.floor(index / PROVIDER_NAMES.length)) % PROVIDER_NAMES.length];
    return { ...namesOf(provider ?? "openai", `${index + 1}`), body: chatOf(bytes, index) };
  });
  const picture = {
    ...namesOf("openai", "picture"),
    content_type: "image/png",
    body_base64: makePng(PNG_SIDE).toString("base64"),
  };
  return [...chats, picture].map((line) => `${JSON.stringify(line)}\n`).join("");
}

function namesOf(provider: ProviderName, suffix: string) {
  return { id: `${provider}-${suffix}`, provider, model: MODELS[provider], intent: "chat" };
}

/** A chat whose JSON has exactly this many bytes. */
function chatOf(bytes: number, index: number): Chat {
  const withoutWords = Buffer.byteLength(JSON.stringify(chatWith("", bytes, index)));
  return chatWith(wordsOf(bytes - withoutWords, index), bytes, index);
}

function chatWith(words: string, bytes: number, index: number): Chat {
  if (bytes < DATA_FROM_BYTES) return { messages: [{ role: "user", content: words }], max_tokens: 512 };
  const parts: Part[] = [
    { type: "text", text: "Summarize what follows in one sentence." },
    { type: "data", data: dataOf(index) },
    { type: "text", text: words },
  ];
  return {
    messages: [
      { role: "system", content: "Answer in the language of the last sentence." },
      { role: "user", content: "Grüezi! 👋" },
      { role: "assistant", content: "Grüezi. Was darf es sein?" },
      { role: "user", content: parts },
    ],
    max_tokens: 512,
  };
}

/** Nested JSON with every kind of JSON value. */
function dataOf(index: number): unknown {
  return {
    station: { näme: "Zürich/Kloten", position: [47.4647, 8.5492, 431], open: true, closed_by: null },
    readings: [1, 2, 3].map((hour) => ({ hour, celsius: (index - 12) * 1.5 + hour, tags: ["α", "β", []] })),
  };
}

/**
 * Sentences in many scripts, which reveal code that confuses bytes, code units and characters: letters of two, three and four bytes,
 * right-to-left text, combining marks that must not be normalized, joined emoji.
 */
const WORDS: readonly string[] = [
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
  // The same letters twice: composed, and as a letter with a combining mark.
  "Caf\u00e9 and Cafe\u0301, \u00c5ngstr\u00f6m and A\u030angstro\u0308m, n\u0303 and q\u0303\u0323.",
  "🦊🏞️ 👩🏽‍🔬👨‍👩‍👧‍👦 🏳️‍🌈 🇨🇭 𝒳𝒴𝒵 𐐷",
  'Plain "quotes", back\\slashes, tabs\tand\nnew lines.',
];

/** Words of exactly this many bytes as JSON, without the quotes; another `start` begins with other words. */
function wordsOf(jsonBytes: number, start: number): string {
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

const SIGNATURE = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
const ADLER_MODULUS = 65_521;

/** A square RGB picture of colour gradients as a PNG. Its pixels are not compressed, so its bytes are always the same. */
function makePng(side: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  // Eight bits a channel, RGB; default compression, filter and interlace.
  header.set([8, 2, 0, 0, 0], 8);
  const rows = Array.from({ length: side }, (_, y) => rowOf(side, y));
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", header),
    chunk("IDAT", stored(Buffer.concat(rows))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** One row: filter 0, then red to the right, green downwards, blue along the diagonal. */
function rowOf(side: number, y: number): Buffer {
  const scale = 255 / (side - 1);
  const pixels = Array.from({ length: side }, (_, x) => [x * scale, y * scale, ((x + y) * scale) / 2]);
  return Buffer.from([0, ...pixels.flat().map(Math.floor)]);
}

/** A zlib stream (RFC 1950) of one stored block (RFC 1951, section 3.2.4), so at most 65,535 bytes. */
function stored(data: Buffer): Buffer {
  const head = Buffer.from([0x78, 0x01, 0x01, 0, 0, 0, 0]);
  head.writeUInt16LE(data.length, 3);
  head.writeUInt16LE(data.length ^ 0xffff, 5);
  return Buffer.concat([head, data, uint32(adler32(data))]);
}

function adler32(data: Buffer): number {
  let a = 1;
  let b = 0;
  for (const byte of data) {
    a = (a + byte) % ADLER_MODULUS;
    b = (b + a) % ADLER_MODULUS;
  }
  return b * 0x10000 + a;
}

function chunk(type: string, data: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from(type, "latin1"), data]);
  return Buffer.concat([uint32(data.length), typed, uint32(crc32(typed))]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
