import { createHash } from "node:crypto";

/*
 * Signatures that no signer makes, from the group of Ed25519 (RFC 8032, sections 5.1 to 5.1.7): points with a part of small order, forgeries
 * under keys of small order, and encodings that are not canonical. Slow, and not in constant time.
 */

const P = 2n ** 255n - 19n;
export const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * inverse(121666n));
const SQRT_MINUS_1 = power(2n, (P - 1n) / 4n);

/** Affine coordinates. */
export interface Point {
  readonly x: bigint;
  readonly y: bigint;
}

export const IDENTITY: Point = { x: 0n, y: 1n };
export const BASE = pointOf(mod(4n * inverse(5n)), 0n);
/** Of order 8: it generates all points of small order. */
export const TORSION = pointOf(0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n, 0n);

export function add(a: Point, b: Point): Point {
  const k = mod(D * a.x * b.x * a.y * b.y);
  return {
    x: mod((a.x * b.y + b.x * a.y) * inverse(1n + k)),
    y: mod((a.y * b.y + a.x * b.x) * inverse(1n - k)),
  };
}

export function multiply(scalar: bigint, point: Point): Point {
  let [result, doubled] = [IDENTITY, point];
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = add(result, doubled);
    doubled = add(doubled, doubled);
  }
  return result;
}

export function encode({ x, y }: Point): Buffer {
  return littleEndian(y | ((x & 1n) << 255n));
}

/** 32 bytes, lowest first. */
export function littleEndian(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(64, "0"), "hex").reverse();
}

export function fromLittleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
}

/** The secret scalar of a seed (RFC 8032, section 5.1.5). */
export function scalarOf(seed: Uint8Array): bigint {
  const half = createHash("sha512").update(seed).digest().subarray(0, 32);
  half.writeUInt8(half.readUInt8(0) & 248, 0);
  half.writeUInt8((half.readUInt8(31) & 63) | 64, 31);
  return fromLittleEndian(half);
}

/** k of section 5.1.7, from the bytes as they are written. */
export function challenge(r: Uint8Array, publicKey: Uint8Array, message: Uint8Array): bigint {
  return fromLittleEndian(createHash("sha512").update(r).update(publicKey).update(message).digest()) % L;
}

export function isOnCurve(y: bigint): boolean {
  return power(xSquared(y), (P - 1n) / 2n) === 1n;
}

function xSquared(y: bigint): bigint {
  return mod((y * y - 1n) * inverse(D * y * y + 1n));
}

function pointOf(y: bigint, sign: bigint): Point {
  const square = xSquared(y);
  const root = power(square, (P + 3n) / 8n);
  const x = mod(root * root - square) === 0n ? root : mod(root * SQRT_MINUS_1);
  return { x: (x & 1n) === sign ? x : P - x, y };
}

function mod(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

function inverse(value: bigint): bigint {
  return power(mod(value), P - 2n);
}

function power(base: bigint, exponent: bigint): bigint {
  let [result, square] = [1n, mod(base)];
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = mod(result * square);
    square = mod(square * square);
  }
  return result;
}
