import { crc32 } from "node:zlib";

const SIGNATURE = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
const ADLER_MODULUS = 65_521;

/** A square RGB picture of colour gradients as a PNG; its pixels are stored, not compressed, so that its bytes never vary. */
export function makePng(side: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  // Eight bits a channel, RGB; compression, filter and interlace as in all simple files.
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
