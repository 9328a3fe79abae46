import { createHash, randomFillSync } from 'node:crypto';

/**
 * A new id: UUID version 7, whose order is the order of creation, also within one millisecond of one process. Time-ordered
 * keys keep inserts at the end of every index (design.md §3).
 */
export function newId(): string {
  const now = time();
  if (now > lastMilliseconds) {
    lastMilliseconds = now;
    // Half of the twelve bits are left to count in.
    counter = randomByte() * 8;
  } else if (++counter > 0xfff) {
    // More than a counter's worth in one millisecond: borrow the next one.
    lastMilliseconds++;
    counter = 0;
  }
  const variant = HEX[(randomByte() & 0x3f) | 0x80] ?? '';
  const count = `${HEX_DIGITS[counter >> 8] ?? ''}${HEX[counter & 0xff] ?? ''}`;
  return `${timePrefix(lastMilliseconds)}${count}-${variant}${randomHex(1)}-${randomHex(6)}`;
}

// Many ids are made within one millisecond.
function timePrefix(milliseconds: number): string {
  if (milliseconds !== prefixTime) {
    const time = milliseconds.toString(16).padStart(12, '0');
    prefix = `${time.slice(0, 8)}-${time.slice(8)}-7`;
    prefixTime = milliseconds;
  }
  return prefix;
}

let prefixTime = -1;
let prefix = '';

/** Nodes that share a database make ids by the time that they share: of two executions of one task the later has the greater id. */
export function makeIdsBy(now: () => number): void {
  time = now;
}

let time: () => number = Date.now;
let lastMilliseconds = 0;
let counter = 0;

const HEX_DIGITS = '0123456789abcdef';
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const POOL = Buffer.alloc(4096);
let used = POOL.length;

function randomByte(): number {
  if (used === POOL.length) {
    randomFillSync(POOL);
    used = 0;
  }
  return POOL[used++] ?? 0;
}

function randomHex(bytes: number): string {
  let text = '';
  for (let i = 0; i < bytes; i++) text += HEX[randomByte()] ?? '';
  return text;
}

/** UUID version 5: the same id for the same name, so that doing something twice makes it once. `namespace` is a UUID. */
export function nameId(namespace: string, name: string): string {
  const hash = createHash('sha1')
    .update(Buffer.from(namespace.replaceAll('-', ''), 'hex'))
    .update(name)
    .digest();
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
