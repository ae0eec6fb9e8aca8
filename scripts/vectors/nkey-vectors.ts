import {
  add,
  BASE,
  challenge,
  encode,
  fromLittleEndian,
  isOnCurve,
  L,
  littleEndian,
  multiply,
  scalarOf,
  TORSION,
} from "./edwards25519.ts";
import { fixed } from "./fixed.ts";
import { crc16, encodeNkey, userNkey } from "./nkey.ts";

const SEED = fixed("keyring", 32);
const USER = userNkey(SEED);
const MESSAGE = Buffer.from("a message");
const FIELD = 2n ** 255n - 19n;
const SIGN = 1n << 255n;

/** Valid and invalid nkeys, and valid and invalid signatures. */
export function nkeys() {
  return { nkeys: texts(), signatures: [...honest(), ...otherEquations(), ...smallOrder()] };
}

function texts() {
  const of = (name: string, nkey: string, ...rules: string[]) => ({ name, rules, nkey, ok: false });
  const ok = (name: string, nkey: string, ...rules: string[]) => ({ name, rules, nkey, ok: true });
  const { publicKey, raw } = USER;
  const starting = (first: string) => {
    for (let n = 0; ; n += 1) {
      const found = userNkey(fixed(`nkey ${n}`, 32)).publicKey;
      if (found.startsWith(first)) return found;
    }
  };
  const withDigits = (letter: string) => {
    for (let n = 0; ; n += 1) {
      const found = userNkey(fixed(`nkey ${n}`, 32)).publicKey;
      if (found.includes(letter)) return found;
    }
  };
  let seeds = 0;
  const beginsLow = (bytes: Uint8Array) => (bytes[0] ?? 255) < 64;
  while (!beginsLow(userNkey(fixed(`nkey ${seeds}`, 32)).raw)) seeds += 1;
  const low = userNkey(fixed(`nkey ${seeds}`, 32)).raw;
  const key = (number: bigint) => encodeNkey(littleEndian(number));
  let highest = FIELD - 2n;
  while (!isOnCurve(highest)) highest -= 1n;
  return [
    ok("a user's public nkey", publicKey, "NK1", "NK2", "NK3", "NK4"),
    ok("a public key that begins with the bits 00", starting("UA"), "NK3"),
    ok("a public key that begins with the bits 11", starting("UD"), "NK3"),
    of("a character more, whose bits fill no byte", `${publicKey}A`, "NK1"),
    of("a character less", publicKey.slice(0, -1), "NK1"),
    of("padding", `${publicKey}======`, "NK1"),
    of("a line feed at its end", `${publicKey}\n`, "NK1"),
    of("a space before it", ` ${publicKey}`, "NK1"),
    of("an empty text", "", "NK1"),
    of("lower case", publicKey.toLowerCase(), "NK2"),
    of("lower case but for the first character", `U${publicKey.slice(1).toLowerCase()}`, "NK2"),
    of("0 for O", withDigits("O").replaceAll("O", "0"), "NK2"),
    of("1 for I", withDigits("I").replaceAll("I", "1"), "NK2"),
    of("1 for L", withDigits("L").replaceAll("L", "1"), "NK2"),
    of("8 for B", withDigits("B").replaceAll("B", "8"), "NK2"),
    of("the prefix 0xA1, which begins with U too", encodeNkey(raw, 0xa1), "NK3"),
    of("the prefix 0xA1, and a key that begins with the bits 00", encodeNkey(low, 0xa1), "NK3"),
    of("the prefix 0xA7, which begins with U too", encodeNkey(raw, 0xa7), "NK3"),
    of("an account's prefix", encodeNkey(raw, 0), "NK3"),
    of("an operator's prefix", encodeNkey(raw, 14 << 3), "NK3"),
    of("a server's prefix", encodeNkey(raw, 13 << 3), "NK3"),
    of(
      "one bit of the checksum changed",
      checksum((crc) => crc ^ 1),
      "NK4",
    ),
    of(
      "the highest bit of the checksum changed",
      checksum((crc) => crc ^ 0x8000),
      "NK4",
    ),
    of(
      "the checksum big-endian",
      checksum((crc) => ((crc & 0xff) << 8) | (crc >> 8)),
      "NK4",
    ),
    of(
      "a checksum of 0",
      checksum(() => 0),
      "NK4",
    ),
    of(
      "a checksum that starts at 0xFFFF",
      checksum(() => crc16(Buffer.concat([Buffer.of(0xa0), raw]), 0xffff)),
      "NK4",
    ),
    ok("a y of 3, on the curve", key(3n), "NK5", "NK6"),
    ok("the highest y on the curve that is canonical and not of small order", key(highest), "NK5", "NK6"),
    of("a y of p + 3, on the curve", key(FIELD + 3n), "NK5"),
    of("a y of p + 3 and a sign", key((FIELD + 3n) | SIGN), "NK5"),
    of("a y of 2^255 - 1", key(SIGN - 1n), "NK5"),
    ...badKeys().map(([name, bytes, rule]) => of(name, encodeNkey(bytes), rule)),
    of(
      "a checksum of the key without its prefix",
      checksum(() => crc16(raw)),
      "NK4",
    ),
  ];
}

/** The user's nkey with another checksum. */
function checksum(change: (crc: number) => number): string {
  return encodeNkey(USER.raw, undefined, (bytes) => bytes.writeUInt16LE(change(bytes.readUInt16LE(33)), 33));
}

function signed(
  name: string,
  rules: readonly string[],
  nkey: string,
  message: Uint8Array,
  r: Uint8Array,
  s: bigint,
  isOk: boolean,
) {
  const signature = Buffer.concat([r, littleEndian(s)]).toString("hex");
  return { name, rules, nkey, message: Buffer.from(message).toString("hex"), signature, ok: isOk };
}

function honest() {
  const rfc = encodeNkey(
    Buffer.from("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "hex"),
  );
  const rfcSignature = Buffer.from(
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    "hex",
  );
  const [r, s] = halves(USER.sign(MESSAGE));
  const of = (
    name: string,
    rules: readonly string[],
    isOk: boolean,
    change: { r?: Uint8Array; s?: bigint; message?: Uint8Array },
  ) => signed(name, rules, USER.publicKey, change.message ?? MESSAGE, change.r ?? r, change.s ?? s, isOk);
  const [rfcR, rfcS] = halves(rfcSignature);
  return [
    signed("RFC 8032, section 7.1, test 3", ["ED1", "ED2"], rfc, Buffer.of(0xaf, 0x82), rfcR, rfcS, true),
    of("a usual signature", ["ED1", "ED2"], true, {}),
    of("of an empty message", ["ED2"], true, emptied()),
    of("of another message", ["ED2"], false, { message: Buffer.from("b message") }),
    of("S + L", ["ED1"], false, { s: s + L }),
    of("S + 2 L", ["ED1"], false, { s: s + 2n * L }),
    of("S with its highest bit set", ["ED1"], false, { s: s | (1n << 255n) }),
    { ...of("63 bytes", ["ED2"], false, {}), signature: USER.sign(MESSAGE).subarray(0, 63).toString("hex") },
    { ...of("65 bytes", ["ED2"], false, {}), signature: `${USER.sign(MESSAGE).toString("hex")}00` },
    { ...of("under an nkey whose checksum is wrong", ["NK4"], false, {}), nkey: checksum((crc) => crc ^ 1) },
    of("another S", ["ED2"], false, { s: (s + 1n) % L }),
  ];
}

function emptied() {
  const [r, s] = halves(USER.sign(new Uint8Array(0)));
  return { r, s, message: new Uint8Array(0) };
}

/** Signatures that hold only under another equation than the one without a cofactor, compared as bytes. */
function otherEquations() {
  const secret = scalarOf(SEED);
  const nonce = fromLittleEndian(fixed("a nonce of Ed25519", 32)) % L;
  const torn = encode(add(multiply(nonce, BASE), TORSION));
  const mixed = encode(add(multiply(secret, BASE), multiply(4n, TORSION)));
  const answers = (r: Uint8Array, a: Uint8Array, message: Uint8Array, k0 = 0n) =>
    (k0 + challenge(r, a, message) * secret) % L;
  const r = encode(multiply(nonce, BASE));
  const parity = (wanted: bigint) => counted((message) => challenge(r, mixed, message) % 2n === wanted);
  const [even, odd] = [parity(0n), parity(1n)];
  const identityOtherwise = littleEndian(FIELD + 1n);
  return [
    signed(
      "R with a part of order 8: the equation holds with the cofactor alone",
      ["ED2"],
      USER.publicKey,
      MESSAGE,
      torn,
      answers(torn, USER.raw, MESSAGE, nonce),
      false,
    ),
    signed(
      "a public key with a part of order 2, where the equation holds with the cofactor alone",
      ["ED2"],
      encodeNkey(mixed),
      odd,
      r,
      answers(r, mixed, odd, nonce),
      false,
    ),
    signed(
      "a public key with a part of order 2, where the equation holds",
      ["ED2", "NK6"],
      encodeNkey(mixed),
      even,
      r,
      answers(r, mixed, even, nonce),
      true,
    ),
    signed(
      "R is the right point, encoded with y + p",
      ["ED2"],
      USER.publicKey,
      MESSAGE,
      identityOtherwise,
      answers(identityOtherwise, USER.raw, MESSAGE),
      false,
    ),
  ];
}

/** Signatures without a private key: messages for which the order of the public key divides k, so that the key vanishes from the equation. */
function smallOrder() {
  const s = fromLittleEndian(fixed("S of a forgery", 32)) % L;
  const r = encode(multiply(s, BASE));
  return badKeys().map(([name, publicKey, rule]) => {
    const message = counted((candidate) => challenge(r, publicKey, candidate) % 8n === 0n);
    return signed(
      `forged under a public key that is ${name}`,
      [rule],
      encodeNkey(publicKey),
      message,
      r,
      s,
      false,
    );
  });
}

/** Points of small order, in all of their encodings. */
function badKeys(): readonly (readonly [name: string, bytes: Uint8Array, rule: string])[] {
  const powers = [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].map((n) => encode(multiply(n, TORSION)));
  return [
    ...powers.map((bytes, n) => [`the point of small order ${n} T`, bytes, "NK6"] as const),
    ["the neutral point with a sign", littleEndian(1n | SIGN), "NK6"],
    ["the point of order 2 with a sign", littleEndian((FIELD - 1n) | SIGN), "NK6"],
    ["the neutral point with y + p", littleEndian(FIELD + 1n), "NK5"],
    ["the neutral point with y + p and a sign", littleEndian((FIELD + 1n) | SIGN), "NK5"],
    ["a point of order 4 with y + p", littleEndian(FIELD), "NK5"],
    ["a point of order 4 with y + p and a sign", littleEndian(FIELD | SIGN), "NK5"],
  ];
}

/** The first of the messages "0", "1", ... that fits. */
function counted(willDo: (message: Uint8Array) => boolean): Uint8Array {
  for (let n = 0; ; n += 1) {
    const message = Buffer.from(String(n));
    if (willDo(message)) return message;
  }
}

function halves(signature: Uint8Array): [Uint8Array, bigint] {
  return [signature.subarray(0, 32), fromLittleEndian(signature.subarray(32))];
}
