// The part of a rule module that every rule in AssemblyScript has. Take this file into your rule.
//
// Each rule of the configuration gets an instance of the module to itself, so that globals are its memory; after a
// failure or a restart they are as new, apart from what the columns remember of each series.

// @ts-ignore: decorator
@external("tocsin_v1", "emit")
declare function hostEmit(kind: i32, at: usize, n: i32): i32;
// @ts-ignore: decorator
@external("tocsin_v1", "fail")
declare function hostFail(code: i32, at: usize, n: i32): void;
// @ts-ignore: decorator
@external("tocsin_v1", "host_info")
declare function hostInfo(field: i32): i64;

const EMIT_RESULT: i32 = 1, EMIT_STATE: i32 = 2, EMIT_MANIFEST: i32 = 3;
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

const RECORD_PARAM: u32 = 20;
const SCALAR: u8 = 0, LIST: u8 = 1, MAP: u8 = 2; // shapes
const BOOL: u8 = 1, INT: u8 = 2, FLOAT: u8 = 3, STRING: u8 = 4, DURATION: u8 = 5;

/** The parameters of a rule. Maps are passed over. */
export class Params {
  private constructor(private b: Block) {}

  /** Null for a malformed block. */
  static read(at: usize, n: u32): Params | null {
    const b = changetype<Block>(at);
    if (!b.whole(n, P, 16) || !b.inside(b.u16(6), b.u32(12), RECORD_PARAM, 4)) return null;
    const params = new Params(b);
    for (let i: u32 = 0; i < b.u32(12); i++) if (!params.sound(b.u16(6) + i * RECORD_PARAM)) return null;
    return params;
  }

  private sound(rec: u32): bool {
    const b = this.b, kind = b.u8(rec + 8), shape = b.u8(rec + 9), n = b.u32(rec + 12), at = b.u32(rec + 16);
    if (!b.inside(b.u32(rec), b.u32(rec + 4), 1, 1) || kind > DURATION || shape > MAP || (shape == SCALAR && n != 1)) return false;
    if (shape == MAP) return true;
    if (kind == BOOL) return b.inside(at, n, 1, 1);
    if (kind != STRING) return b.inside(at, n, 8, 8);
    if (!b.inside(at, n, 8, 4)) return false;
    for (let i: u32 = 0; i < n; i++) if (!b.inside(b.u32(at + 8 * i), b.u32(at + 8 * i + 4), 1, 1)) return false;
    return true;
  }

  // The record of a parameter, 0 where it was not given or is another kind of value.
  private find(name: string, shape: u8, kind: u8): u32 {
    const b = this.b;
    for (let i: u32 = 0; i < b.u32(12); i++) {
      const rec = b.u16(6) + i * RECORD_PARAM;
      if (this.string(rec) == name) return b.u8(rec + 8) == kind && b.u8(rec + 9) == shape ? rec : 0;
    }
    return 0;
  }

  private string(ref: u32): string { return String.UTF8.decodeUnsafe(this.b.at(this.b.u32(ref)), this.b.u32(ref + 4)); }

  float(name: string, otherwise: f64): f64 {
    const rec = this.find(name, SCALAR, FLOAT);
    return rec ? this.b.f64(this.b.u32(rec + 16)) : otherwise;
  }

  /** A whole number; of a duration, nanoseconds. */
  int(name: string, otherwise: i64): i64 {
    const rec = this.find(name, SCALAR, INT) | this.find(name, SCALAR, DURATION); // one of them is 0
    return rec ? this.b.i64(this.b.u32(rec + 16)) : otherwise;
  }

  bool(name: string, otherwise: bool): bool {
    const rec = this.find(name, SCALAR, BOOL);
    return rec ? this.b.u8(this.b.u32(rec + 16)) != 0 : otherwise;
  }

  text(name: string, otherwise: string): string {
    const rec = this.find(name, SCALAR, STRING);
    return rec ? this.string(this.b.u32(rec + 16)) : otherwise;
  }

  /** The elements of a list of strings; none where it was not given. */
  list(name: string): string[] {
    const rec = this.find(name, LIST, STRING), texts: string[] = [];
    if (rec) for (let i: u32 = 0; i < this.b.u32(rec + 12); i++) texts.push(this.string(this.b.u32(rec + 16) + 8 * i));
    return texts;
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
  private constructor(private b: Block, readonly series: Dictionary) {}

  /** Null for a malformed block, or one over other series than those of the dictionary. */
  static read(at: usize, n: u32, series: Dictionary | null, inputs: u32): Window | null {
    const b = changetype<Block>(at), first = b.u32(44), size: u32 = b.u16(48);
    if (!series || !b.whole(n, W, 64) || b.i64(32) != series.generation) return null;
    if (b.u32(40) != inputs || size < 80 || !b.inside(first, inputs, size, 8)) return null;
    const window = new Window(b, series);
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

// ---- what is remembered of each series

const columns: Column[] = [];
let known: u32 = 0; // series of which there are elements

// The state is a record for each series of which anything is remembered: its fingerprint, and its element of each column.
// What was restored waits until its series appears, as the target of one may answer later than that of another.
const waiting = new Bytes(), saved = new Bytes();
let record: u32 = 8;
let places = new StaticArray<u32>(0); // of what is waiting, by fingerprint: its number plus one; open addressing

/**
 * What is remembered of each series: an element of width bytes by the index of the series. It is 0 of a series that is
 * new, moves with its series, and outlives a restart where the manifest has a state version.
 */
export class Column {
  now: Bytes = new Bytes();
  before: Bytes = new Bytes();
  constructor(readonly width: u32) {}

  @inline get<T>(i: u32): T { return load<T>(this.at(i)); }
  @inline set<T>(i: u32, value: T): void { store<T>(this.at(i), value); }

  at(i: u32): usize {
    assert(i < known);
    return this.now.at + i * this.width;
  }
}

/** Makes a column. Call it once, for a global. */
export function remember(width: u32): Column {
  const c = new Column(width);
  columns.push(c);
  record += width;
  return c;
}

/** Forgets everything. */
export function forget(): void {
  known = 0;
  waiting.length = 0;
}

/** Takes what is remembered along to the places of another dictionary. */
export function follow(series: Dictionary): void {
  const before = known;
  known = series.length;
  for (let k = 0; k < columns.length; k++) {
    const c = columns[k], from = c.now, to = c.before;
    to.length = 0;
    to.add(known * c.width);
    for (let i: u32 = 0; i < known; i++) {
      const old = series.remap(i), at = to.at + i * c.width;
      if (old < before) memory.copy(at, from.at + old * c.width, c.width);
      else memory.fill(at, 0, c.width);
    }
    c.now = to;
    c.before = from;
  }
  for (let i: u32 = 0; i < known; i++) if (series.remap(i) >= before) recall(series.uid(i), i);
}

// Fills the elements of a series that is new from what was restored of it, once.
function recall(uid: i64, i: u32): void {
  const number = waiting.length ? places[place(uid)] : 0;
  if (!number) return;
  let from = waiting.at + (number - 1) * record + 8;
  for (let k = 0; k < columns.length; k++) {
    memory.copy(columns[k].at(i), from, columns[k].width);
    memory.fill(from, 0, columns[k].width);
    from += columns[k].width;
  }
}

// Where the number of the record of a series stands, or where it belongs.
function place(uid: i64): u32 {
  const mask: u32 = places.length - 1;
  let i = <u32>uid & mask;
  while (places[i] && load<i64>(waiting.at + (places[i] - 1) * record) != uid) i = (i + 1) & mask;
  return i;
}

/** Hands the state to the engine. series is null while there was none since it was restored. */
export function snapshot(series: Dictionary | null): i32 {
  if (!series) return hostEmit(EMIT_STATE, waiting.at, waiting.length) ? fail(INTERNAL, "the state was refused") : OK;
  saved.length = 0;
  for (let i: u32 = 0; i < known; i++) {
    let at = saved.add(record), some: u8 = 0;
    store<i64>(at, series.uid(i));
    at += 8;
    for (let k = 0; k < columns.length; k++) {
      memory.copy(at, columns[k].at(i), columns[k].width);
      for (const end = at + columns[k].width; at < end; at++) some |= load<u8>(at);
    }
    if (!some) saved.length -= record;
  }
  return saved.length && hostEmit(EMIT_STATE, saved.at, saved.length) ? fail(INTERNAL, "the state was refused") : OK;
}

/** Takes the state that snapshot wrote. */
export function restore(at: usize, n: u32): i32 {
  forget();
  if (n % record) return fail(BAD_INPUT, "malformed state");
  let size = 64;
  while (size < 2 * <i32>(n / record)) size *= 2;
  places = new StaticArray<u32>(size);
  for (const end = at + n; at < end; at += record) {
    const i = place(load<i64>(at));
    if (places[i]) {
      forget();
      return fail(BAD_INPUT, "a series stands in the state twice");
    }
    memory.copy(waiting.add(record), at, record);
    places[i] = waiting.length / record;
  }
  return OK;
}

// ---- what the rule says

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
