// The part of a rule module that every rule in AssemblyScript has. Take this file into your rule.
//
// Each rule of the configuration gets an instance of the module to itself, so that globals are its memory; after a
// failure or a restart they are as new, and Window.first says so.

// @ts-ignore: decorator
@external("tocsin_v1", "emit")
declare function hostEmit(kind: i32, at: usize, n: i32): i32;
// @ts-ignore: decorator
@external("tocsin_v1", "fail")
declare function hostFail(code: i32, at: usize, n: i32): void;
// @ts-ignore: decorator
@external("tocsin_v1", "host_info")
declare function hostInfo(field: i32): i64;

const EMIT_RESULT: i32 = 1, EMIT_MANIFEST: i32 = 3;
const INFO_MAX_EMIT: i32 = 2, INFO_MAX_ALERTS: i32 = 3;

// What a rule returns.
export const OK: i32 = 0;
export const NO_VERDICT: i32 = 1; // insufficient data: all instances stay as they are
export const BAD_CONFIG: i32 = -1;
export const INTERNAL: i32 = -2;
export const BAD_INPUT: i32 = -5;

/** Stands for no series, and for one that was not in the generation before. */
export const NONE: u32 = u32.MAX_VALUE;

/** Says why, and returns code. */
export function fail(code: i32, message: string): i32 {
  const text = String.UTF8.encode(message);
  hostFail(code, changetype<usize>(text), text.byteLength);
  return code;
}

/** Hands the manifest to the engine. */
export function describe(manifest: string): i32 {
  const text = String.UTF8.encode(manifest);
  return hostEmit(EMIT_MANIFEST, changetype<usize>(text), text.byteLength);
}

// Slots lie outside of what is collected: the engine writes into them.
const slots = new StaticArray<usize>(4);
const sizes = new StaticArray<u32>(4);

/** A slot of at least size bytes, at a multiple of 8; 0 where there is no memory. */
export function buffer(slot: u32, size: u32): usize {
  if (slot >= 4 || size > 1 << 30) return 0;
  if (sizes[slot] < size) {
    if (slots[slot]) heap.free(slots[slot]);
    sizes[slot] = 0;
    slots[slot] = 0; // it stays so when there is no memory: heap.alloc traps then
    slots[slot] = heap.alloc(size); // a multiple of 16
    sizes[slot] = size;
  }
  return slots[slot];
}

// A block that the engine wrote: offsets count from its start.
@unmanaged
class Block {
  @inline u8(at: u32): u8 { return load<u8>(changetype<usize>(this) + at); }
  @inline u16(at: u32): u16 { return load<u16>(changetype<usize>(this) + at); }
  @inline u32(at: u32): u32 { return load<u32>(changetype<usize>(this) + at); }
  @inline i64(at: u32): i64 { return load<i64>(changetype<usize>(this) + at); }
  @inline f64(at: u32): f64 { return load<f64>(changetype<usize>(this) + at); }
  @inline at(off: u32): usize { return changetype<usize>(this) + off; }

  /** Tells whether the block is what it should be, and all there. */
  whole(n: u32, kind: u32, header: u32): bool {
    return n >= header && this.u32(0) == (0x31005354 | (kind << 16)) && this.u16(4) == 1 &&
      this.u16(6) >= header && this.u32(8) >= this.u16(6) && this.u32(8) <= n;
  }

  /** Tells whether n elements lie in the block, aligned. */
  inside(off: u32, n: u32, width: u32, align: u32): bool {
    return n == 0 || (off % align == 0 && <u64>off + <u64>n * width <= this.u32(8));
  }
}

const P: u32 = 0x50, D: u32 = 0x44, W: u32 = 0x57; // the third letters of the magics

/** The parameters of a rule. Those that are no numbers are passed over. */
export class Params {
  private names: string[] = [];
  private types: u8[] = [];
  private bits: i64[] = [];

  /** Null for a malformed block. */
  static read(at: usize, n: u32): Params | null {
    const b = changetype<Block>(at), size: u32 = 20;
    if (!b.whole(n, P, 16) || !b.inside(b.u16(6), b.u32(12), size, 4)) return null;
    const params = new Params();
    for (let i: u32 = 0; i < b.u32(12); i++) {
      const rec = b.u16(6) + i * size, kind = b.u8(rec + 8), scalar = b.u8(rec + 9) == 0;
      if (!b.inside(b.u32(rec), b.u32(rec + 4), 1, 1) || kind > 5 || (scalar && b.u32(rec + 12) != 1)) return null;
      if (!scalar || kind == 1 || kind == 4) continue;
      if (!b.inside(b.u32(rec + 16), 1, 8, 8)) return null;
      params.names.push(String.UTF8.decodeUnsafe(b.at(b.u32(rec)), b.u32(rec + 4)));
      params.types.push(kind);
      params.bits.push(b.i64(b.u32(rec + 16)));
    }
    return params;
  }

  float(name: string, otherwise: f64): f64 {
    const i = this.names.indexOf(name);
    return i >= 0 && this.types[i] == 3 ? reinterpret<f64>(this.bits[i]) : otherwise;
  }

  /** A whole number; of a duration, nanoseconds. */
  int(name: string, otherwise: i64): i64 {
    const i = this.names.indexOf(name);
    return i >= 0 && this.types[i] != 3 ? this.bits[i] : otherwise;
  }
}

/** All series that windows name. It stays in its slot until the next one comes: nothing is copied. */
export class Dictionary {
  private constructor(private b: Block) {}

  /** Null for a malformed block. */
  static read(at: usize, n: u32): Dictionary | null {
    const b = changetype<Block>(at);
    if (!b.whole(n, D, 80)) return null;
    const series = b.u32(32), strings = b.u32(36);
    const ok = series < 1 << 28 && strings < 1 << 28 && b.inside(b.u32(60), series, 8, 8) && b.inside(b.u32(64), series, 4, 4) &&
      b.inside(b.u32(56), series + 1, 4, 4) && b.inside(b.u32(52), b.u32(40), 8, 4) &&
      b.inside(b.u32(44), strings + 1, 4, 4) && b.inside(b.u32(48), b.u32(72), 1, 1);
    return ok ? new Dictionary(b) : null;
  }

  get generation(): i64 { return this.b.i64(16); }
  get length(): i32 { return <i32>this.b.u32(32); }

  /** A hash of the labels of series i, the same after a restart. */
  uid(i: u32): i64 { return this.b.i64(this.b.u32(60) + 8 * i); }

  /** The index of series i in the dictionary before this one, or NONE. */
  remap(i: u32): u32 { return this.b.u32(this.b.u32(64) + 4 * i); }

  /** The value of a label of series i, "" where it has none of that name. */
  label(i: u32, name: string): string {
    const b = this.b, ends = b.u32(56) + 4 * i;
    for (let p = b.u32(ends); p < b.u32(ends + 4) && p < b.u32(40); p++) {
      if (this.text(b.u32(b.u32(52) + 8 * p)) == name) return this.text(b.u32(b.u32(52) + 8 * p + 4));
    }
    return "";
  }

  private text(i: u32): string {
    const b = this.b;
    if (i >= b.u32(36)) return "";
    const from = b.u32(b.u32(44) + 4 * i), to = b.u32(b.u32(44) + 4 * i + 4);
    return from > to || to > b.u32(72) ? "" : String.UTF8.decodeUnsafe(b.at(b.u32(48) + from), to - from);
  }
}

/** What one evaluation sees. */
export class Window {
  inputs: Input[] = [];
  private constructor(private b: Block) {}

  /** Null for a malformed block, or one over other series than those of the dictionary. */
  static read(at: usize, n: u32, series: Dictionary | null, inputs: u32): Window | null {
    const b = changetype<Block>(at), first = b.u32(44), size: u32 = b.u16(48);
    if (!series || !b.whole(n, W, 64) || b.i64(32) != series.generation) return null;
    if (b.u32(40) != inputs || size < 80 || !b.inside(first, inputs, size, 8)) return null;
    const window = new Window(b);
    for (let i: u32 = 0; i < inputs; i++) {
      const input = new Input(b, first + i * size);
      if (!input.sound(series.length)) return null;
      window.inputs.push(input);
    }
    return window;
  }

  /** The rule starts afresh. */
  get first(): bool { return (this.b.u32(12) & 1) != 0; }
  get timeMs(): i64 { return this.b.i64(24); }
  get intervalMs(): u32 { return this.b.u32(52); }
}

/** One input, in the order of the manifest. Its series are numbered from 0 to length-1. */
export class Input {
  constructor(private b: Block, private rec: u32) {}

  @inline private field(k: u32): u32 { return this.b.u32(this.rec + k); }

  /** Tells whether columns, spans and references stay where they belong. */
  sound(series: u32): bool {
    const b = this.b, n = this.field(4), times = this.field(48), values = this.field(52);
    if (n >= 1 << 28 || !b.inside(this.field(8), n, 4, 4) || !b.inside(this.field(12), n, 8, 4) || !b.inside(this.field(16), n, 4, 4) ||
      !b.inside(this.field(28), n, 1, 1) || !b.inside(this.field(20), times, 8, 8) || !b.inside(this.field(24), values, 8, 8)) return false;
    const raw = b.u16(this.rec + 64) == 0;
    for (let i: u32 = 0; i < n; i++) {
      const count: u64 = this.count(i);
      if (this.index(i) >= series || <u64>this.start(i) + count > values) return false;
      if (raw && count && <u64>b.u32(this.field(16) + 4 * i) + count > times) return false;
    }
    return true;
  }

  get length(): u32 { return this.field(4); }
  get targetsExpected(): u32 { return this.field(56); }
  get targetsAnswered(): u32 { return this.field(60); }

  /** The place of series i in the dictionary. */
  index(i: u32): u32 { return this.b.u32(this.field(8) + 4 * i); }

  private start(i: u32): u32 { return this.b.u32(this.field(12) + 8 * i); }

  /** How many samples series i has; one or none where the input is reduced. */
  count(i: u32): u32 { return this.b.u32(this.field(12) + 8 * i + 4); }

  /** Sample k of series i, oldest first. */
  value(i: u32, k: u32): f64 { return this.b.f64(this.field(24) + 8 * (this.start(i) + k)); }

  /** Its time, Unix milliseconds; only where the input is not reduced. */
  time(i: u32, k: u32): i64 { return this.b.i64(this.field(20) + 8 * (this.b.u32(this.field(16) + 4 * i) + k)); }

  /** The last sample of series i, of which there must be one. */
  last(i: u32): f64 { return this.value(i, this.count(i) - 1); }

  /** The target of series i no longer has it. */
  ended(i: u32): bool { return (this.flags(i) & 2) != 0; }

  /** The target of series i did not answer this time. */
  missing(i: u32): bool { return (this.flags(i) & 32) != 0; }

  private flags(i: u32): u8 { return this.b.u8(this.field(28) + i); }
}

// Bytes that grow, outside of what is collected.
class Bytes {
  at: usize = 0;
  length: i32 = 0;
  private size: i32 = 0;

  /** Room for n more, at the end. */
  add(n: i32): usize {
    if (this.length + n > this.size) {
      this.size = max(2 * this.size, this.length + n + 64);
      this.at = this.at ? heap.realloc(this.at, this.size) : heap.alloc(this.size);
    }
    this.length += n;
    return this.at + this.length - n;
  }

  text(s: string): u32 {
    const n = String.UTF8.byteLength(s);
    String.UTF8.encodeUnsafe(changetype<usize>(s), s.length, this.add(n));
    return n;
  }
}

const RECORD: i32 = 48, LABEL: i32 = 16, HEADER: i32 = 32;

/** Takes what a rule has to say. */
export class Verdicts {
  private records: Bytes = new Bytes();
  private labels: Bytes = new Bytes();
  private words: Bytes = new Bytes();

  reset(): void { this.records.length = this.labels.length = this.words.length = 0; }

  /** The condition holds for a series, or for NONE and what labels name. */
  active(series: u32, value: f64): this { return this.add(series, 1, value); }

  /** There is evidence that all is well. */
  healthy(series: u32, value: f64): this { return this.add(series, 0, value); }

  /** These data do not tell. */
  unknown(series: u32): this { return this.add(series, 2, NaN); }

  private add(series: u32, verdict: u8, value: f64): this {
    const rec = this.records.add(RECORD);
    memory.fill(rec, 0, RECORD);
    store<u32>(rec, series);
    store<u8>(rec, verdict, 4);
    store<f64>(rec, value, 8);
    store<f64>(rec, NaN, 16);
    store<u32>(rec, this.labels.length / LABEL, 32);
    return this;
  }

  private last(): usize { return this.records.at + this.records.length - RECORD; }

  /** What the value of the last verdict was compared with. */
  threshold(t: f64): this {
    store<f64>(this.last(), t, 16);
    return this;
  }

  /** Explains the last verdict. */
  text(s: string): this {
    store<u32>(this.last(), this.words.length, 40);
    store<u32>(this.last(), this.words.text(s), 44);
    return this;
  }

  /** Adds a label to the identity of the last verdict. */
  label(name: string, value: string): this {
    const rec = this.labels.add(LABEL);
    store<u32>(rec, this.words.length);
    store<u32>(rec, this.words.text(name), 4);
    store<u32>(rec, this.words.length, 8);
    store<u32>(rec, this.words.text(value), 12);
    store<u32>(this.last(), load<u32>(this.last(), 36) + 1, 36);
    return this;
  }

  /** Completes the block and hands it to the engine in parts. */
  emit(): i32 {
    const labels = HEADER + this.records.length, text = labels + this.labels.length, n = this.records.length / RECORD;
    if (n > hostInfo(INFO_MAX_ALERTS) || text + this.words.length > hostInfo(INFO_MAX_EMIT)) return fail(INTERNAL, "more verdicts than the engine takes");
    for (let i = 0; i < this.records.length; i += RECORD) this.shift(this.records.at + i + 40, text);
    for (let i = 0; i < this.labels.length; i += 8) this.shift(this.labels.at + i, text);
    const head: StaticArray<u32> = [0x31525354, n, HEADER, this.labels.length / LABEL, labels, text, this.words.length, 0];
    const refused = hostEmit(EMIT_RESULT, changetype<usize>(head), HEADER) | hostEmit(EMIT_RESULT, this.records.at, this.records.length) |
      hostEmit(EMIT_RESULT, this.labels.at, this.labels.length) | hostEmit(EMIT_RESULT, this.words.at, this.words.length);
    return refused ? fail(INTERNAL, "the result was refused") : OK;
  }

  @inline private shift(at: usize, by: u32): void { store<u32>(at, load<u32>(at) + by); }
}
