//! The part of a rule module that every rule in Rust has. Take this file, column.rs and memory.rs into your rule: implement
//! [`Rule`] for a struct and write `export!(YourRule)`.
//!
//! Each rule of the configuration gets an instance of the module to itself; after a failure or a restart it is made
//! anew, apart from what is remembered of each series.
#![allow(dead_code)] // no rule uses all of it

use crate::column::{Column, Full};
use crate::memory::{Memory, Plain};
use core::mem::size_of;

/// A rule: its fields are its parameters.
pub trait Rule: Default {
    /// What is remembered of each series; 0 of one that is new. It outlives a restart where the manifest has a state version.
    type Memory: Plain;
    /// JSON: inputs, parameters and the version of the state stand in it.
    const MANIFEST: &'static str;
    /// How many inputs the manifest has.
    const INPUTS: usize;
    /// Called once: reads the parameters.
    fn configure(&mut self, params: &Params) -> Result<(), Error>;
    /// Called first, and when series came or went or stand at other places.
    fn series(&mut self, _series: &Dictionary) -> Result<(), Error> {
        Ok(())
    }
    /// Called for each evaluation. The memory is by the index of the series.
    fn eval(&mut self, window: &Window, memory: &mut [Self::Memory], out: &mut Verdicts) -> Result<(), Error>;
}

/// Why a rule cannot go on.
pub enum Error {
    /// Insufficient data: all instances stay as they are.
    NoVerdict,
    BadConfig(&'static str),
    BadInput(&'static str),
    Internal(&'static str),
    OutOfMemory,
}

impl From<Full> for Error {
    fn from(_: Full) -> Error {
        Error::OutOfMemory
    }
}

/// A panic ends the instance; the engine makes another one.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

#[link(wasm_import_module = "tocsin_v1")]
extern "C" {
    fn emit(kind: i32, at: *const u8, n: usize) -> i32;
    fn fail(code: i32, at: *const u8, n: usize);
    fn host_info(field: i32) -> i64;
}

const EMIT_RESULT: i32 = 1;
const EMIT_STATE: i32 = 2;
const EMIT_MANIFEST: i32 = 3;
const INFO_MAX_EMIT: i32 = 2;
const INFO_MAX_ALERTS: i32 = 3;

/// Stands for no series, and for one that was not in the generation before.
pub const NONE: u32 = u32::MAX;

// Bits of what [`Series`] answers.
const ENDED: u8 = 2;
const MISSING: u8 = 32;
const BORN: u8 = 64;

/// A block that the host wrote: offsets count from its start, numbers are little-endian, as is all of WebAssembly.
#[derive(Clone, Copy)]
struct Block(&'static [u8]);

impl Block {
    /// Tells whether a block is what it should be, and all there.
    fn open(bytes: &'static [u8], magic: &[u8; 4], header: usize) -> Option<Block> {
        if bytes.len() < header || &bytes[..4] != magic {
            return None;
        }
        let b = Block(bytes);
        let (size, total) = (b.u16(6) as usize, b.u32(8) as usize);
        if b.u16(4) != 1 || size < header || total < size || total > bytes.len() {
            return None;
        }
        Some(Block(&bytes[..total]))
    }
    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }
    fn u32(&self, at: usize) -> u32 {
        self.u16(at) as u32 | (self.u16(at + 2) as u32) << 16
    }
    fn u64(&self, at: usize) -> u64 {
        self.u32(at) as u64 | (self.u32(at + 4) as u64) << 32
    }
    /// An array in place. T is a number, or a struct of numbers: any bytes are one.
    fn array<T>(&self, off: u32, n: u32) -> Option<&'static [T]> {
        if n == 0 {
            return Some(&[]);
        }
        let end = off as u64 + n as u64 * size_of::<T>() as u64;
        let at = self.0.as_ptr().wrapping_add(off as usize);
        if end > self.0.len() as u64 || at as usize % core::mem::align_of::<T>() != 0 {
            return None;
        }
        // The range is inside the block, and aligned.
        Some(unsafe { core::slice::from_raw_parts(at as *const T, n as usize) })
    }
}

/// The parameters of a rule.
pub struct Params {
    block: Block,
    n: u32,
}

/// One of them.
struct Param {
    name: &'static [u8],
    kind: u8,
    shape: u8,
    n: u32,
    at: u32,
}

const SCALAR: u8 = 0;
const LIST: u8 = 1;
const MAP: u8 = 2;
const PARAM_BOOL: u8 = 1;
const PARAM_INT: u8 = 2;
const PARAM_FLOAT: u8 = 3;
const PARAM_STRING: u8 = 4;
const PARAM_DURATION: u8 = 5;

impl Params {
    fn read(block: Block) -> Option<Params> {
        let p = Params { block, n: block.u32(12) };
        block.array::<[u8; Params::RECORD]>(block.u16(6) as u32, p.n)?;
        (0..p.n).try_for_each(|i| p.at(i).map(|_| ())).map(|_| p)
    }
    const RECORD: usize = 20;
    /// The record of parameter i, if what it points to is there. Of maps nothing is read.
    fn at(&self, i: u32) -> Option<Param> {
        let b = &self.block;
        let rec = b.u16(6) as usize + i as usize * Params::RECORD;
        let p = Param { name: b.array(b.u32(rec), b.u32(rec + 4))?, kind: b.0[rec + 8], shape: b.0[rec + 9], n: b.u32(rec + 12), at: b.u32(rec + 16) };
        match (p.shape, p.kind) {
            (SCALAR, _) if p.n != 1 => return None,
            (MAP, _) => {}
            (SCALAR | LIST, PARAM_BOOL) => drop(b.array::<u8>(p.at, p.n)?),
            (SCALAR | LIST, PARAM_STRING) => b.array::<[u32; 2]>(p.at, p.n)?.iter().try_for_each(|t| b.array::<u8>(t[0], t[1]).map(drop))?,
            (SCALAR | LIST, 0..=PARAM_DURATION) => drop(b.array::<u64>(p.at, p.n)?),
            _ => return None,
        }
        Some(p)
    }
    fn find(&self, name: &str, shape: u8, kind: u8) -> Option<Param> {
        let found = (0..self.n).filter_map(|i| self.at(i)).find(|p| p.name == name.as_bytes())?;
        Some(found).filter(|p| p.shape == shape && p.kind == kind)
    }
    fn number(&self, name: &str, kind: u8) -> Option<u64> {
        self.find(name, SCALAR, kind).and_then(|p| self.block.array::<u64>(p.at, 1)).map(|v| v[0])
    }
    pub fn float(&self, name: &str, otherwise: f64) -> f64 {
        self.number(name, PARAM_FLOAT).map_or(otherwise, f64::from_bits)
    }
    /// A whole number; of a duration, nanoseconds.
    pub fn int(&self, name: &str, otherwise: i64) -> i64 {
        self.number(name, PARAM_INT).or_else(|| self.number(name, PARAM_DURATION)).map_or(otherwise, |bits| bits as i64)
    }
    pub fn bool(&self, name: &str, otherwise: bool) -> bool {
        self.find(name, SCALAR, PARAM_BOOL).and_then(|p| self.block.array::<u8>(p.at, 1)).map_or(otherwise, |v| v[0] != 0)
    }
    /// A string. Copy what you keep: it is gone afterwards.
    pub fn text<'a>(&'a self, name: &str, otherwise: &'a str) -> &'a str {
        self.find(name, SCALAR, PARAM_STRING).and_then(|p| self.texts(p).next()).unwrap_or(otherwise)
    }
    /// The elements of a list of strings; none where it was not given.
    pub fn list(&self, name: &str) -> impl Iterator<Item = &str> + '_ {
        self.find(name, LIST, PARAM_STRING).into_iter().flat_map(move |p| self.texts(p))
    }
    fn texts(&self, p: Param) -> impl Iterator<Item = &str> + '_ {
        let refs = self.block.array::<[u32; 2]>(p.at, p.n).unwrap_or(&[]);
        refs.iter().filter_map(move |t| core::str::from_utf8(self.block.array(t[0], t[1])?).ok())
    }
}

/// All series that windows name.
pub struct Dictionary {
    generation: u64,
    /// Of each series: a hash of its labels, the same after a restart.
    pub uid: &'static [u64],
    /// Of each series: its index in the dictionary before this one, or [`NONE`].
    pub remap: &'static [u32],
    pairs: &'static [[u32; 2]],
    ends: &'static [u32],
    offsets: &'static [u32],
    text: &'static [u8],
}

impl Dictionary {
    fn read(b: Block) -> Option<Dictionary> {
        let n = b.u32(32);
        Some(Dictionary {
            generation: b.u64(16),
            uid: b.array(b.u32(60), n)?,
            remap: b.array(b.u32(64), n)?,
            pairs: b.array(b.u32(52), b.u32(40))?,
            ends: b.array(b.u32(56), n.checked_add(1)?)?,
            offsets: b.array(b.u32(44), b.u32(36).checked_add(1)?)?,
            text: b.array(b.u32(48), b.u32(72))?,
        })
    }
    pub fn len(&self) -> usize {
        self.uid.len()
    }
    fn text(&self, i: u32) -> Option<&str> {
        let (from, to) = (*self.offsets.get(i as usize)?, *self.offsets.get(i as usize + 1)?);
        core::str::from_utf8(self.text.get(from as usize..to as usize)?).ok()
    }
    /// The value of a label of series i, "" where it has none of that name.
    pub fn label(&self, i: u32, name: &str) -> &str {
        let i = i as usize;
        let of = self.pairs.get(self.ends[i] as usize..self.ends[i + 1] as usize).unwrap_or(&[]);
        let pair = of.iter().find(|p| self.text(p[0]) == Some(name));
        pair.and_then(|p| self.text(p[1])).unwrap_or("")
    }
}

/// What one evaluation sees.
pub struct Window<'a> {
    flags: u32,
    generation: u64,
    pub time_ms: i64,
    pub interval_ms: u32,
    pub inputs: &'a [Input],
    pub series: &'a Dictionary,
}

#[repr(C)]
struct Span {
    start: u32,
    count: u32,
}

/// One input, in the order of the manifest.
#[derive(Clone, Copy)]
pub struct Input {
    series: &'static [u32],
    spans: &'static [Span],
    time_refs: &'static [u32],
    times: &'static [i64],
    values: &'static [f64],
    flags: &'static [u8],
    pub start: i64,
    pub end: i64,
    pub targets_expected: u32,
    pub targets_answered: u32,
    raw: bool,
}

impl<'a> Window<'a> {
    fn read(b: Block, series: &'a Dictionary, inputs: &'a mut Column<Input>) -> Result<Window<'a>, Error> {
        const RECORD: usize = 80;
        const MALFORMED: Error = Error::BadInput("malformed window");
        let (n, at, size) = (b.u32(40) as usize, b.u32(44) as usize, b.u16(48) as usize);
        if size < RECORD || n > 64 || at > b.0.len() || n * size > b.0.len() - at {
            return Err(MALFORMED);
        }
        inputs.clear();
        for i in 0..n {
            inputs.push(Input::read(b, at + i * size).ok_or(MALFORMED)?)?;
        }
        Ok(Window { flags: b.u32(12), generation: b.u64(32), time_ms: b.u64(24) as i64, interval_ms: b.u32(52), inputs, series })
    }
    /// Tells whether the rule starts afresh.
    pub fn first(&self) -> bool {
        self.flags & 1 != 0
    }
}

impl Input {
    fn read(b: Block, at: usize) -> Option<Input> {
        let field = |k: usize| b.u32(at + k);
        let n = field(4);
        Some(Input {
            series: b.array(field(8), n)?,
            spans: b.array(field(12), n)?,
            time_refs: b.array(field(16), n)?,
            times: b.array(field(20), field(48))?,
            values: b.array(field(24), field(52))?,
            flags: b.array(field(28), n)?,
            start: b.u64(at + 32) as i64,
            end: b.u64(at + 40) as i64,
            targets_expected: field(56),
            targets_answered: field(60),
            raw: b.u16(at + 64) == 0,
        })
    }
    pub fn all(&self) -> impl Iterator<Item = Series<'_>> + '_ {
        (0..self.series.len()).map(move |i| Series { input: self, i })
    }
}

/// One series of an input. A span or reference that leads outside its column ends the instance: Rust checks slices.
pub struct Series<'a> {
    input: &'a Input,
    i: usize,
}

impl Series<'_> {
    /// Index into the dictionary.
    pub fn index(&self) -> u32 {
        self.input.series[self.i]
    }
    /// The samples, oldest first; one or none where the input is reduced.
    pub fn values(&self) -> &[f64] {
        let span = &self.input.spans[self.i];
        &self.input.values[span.start as usize..][..span.count as usize]
    }
    /// The times of the samples, Unix milliseconds; none where the input is reduced.
    pub fn times(&self) -> &[i64] {
        if !self.input.raw {
            return &[];
        }
        &self.input.times[self.input.time_refs[self.i] as usize..][..self.values().len()]
    }
    pub fn value(&self) -> Option<f64> {
        self.values().last().copied()
    }
    fn flag(&self, bit: u8) -> bool {
        self.input.flags[self.i] & bit != 0
    }
    /// Tells whether its target no longer has it.
    pub fn ended(&self) -> bool {
        self.flag(ENDED)
    }
    /// Tells whether its target did not answer this time.
    pub fn missing(&self) -> bool {
        self.flag(MISSING)
    }
    /// Tells whether it began inside the window: it counts from 0.
    pub fn born(&self) -> bool {
        self.flag(BORN)
    }
}

/// Takes what a rule has to say.
#[derive(Default)]
pub struct Verdicts {
    records: Column<Record>,
    labels: Column<[u32; 4]>,
    text: Column<u8>,
    full: bool, // something had no room
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Record {
    series: u32,
    verdict: u8,
    severity: u8,
    flags: u16,
    value: f64,
    threshold: f64,
    key: u64,
    label_start: u32,
    label_count: u32,
    text: u32,
    text_len: u32,
}

/// Adds to the verdict that was just given.
pub struct Detail<'a>(&'a mut Verdicts);

impl Verdicts {
    /// The condition holds for a series, or for [`NONE`] and what labels name.
    pub fn active(&mut self, series: u32, value: f64) -> Detail<'_> {
        self.add(series, 1, value)
    }
    /// There is evidence that all is well.
    pub fn healthy(&mut self, series: u32, value: f64) -> Detail<'_> {
        self.add(series, 0, value)
    }
    /// These data do not tell.
    pub fn unknown(&mut self, series: u32) -> Detail<'_> {
        self.add(series, 2, f64::NAN)
    }
    fn add(&mut self, series: u32, verdict: u8, value: f64) -> Detail<'_> {
        let label_start = self.labels.len() as u32;
        let record = Record {
            series, verdict, value, threshold: f64::NAN, label_start,
            severity: 0, flags: 0, key: 0, label_count: 0, text: 0, text_len: 0,
        };
        self.full |= self.records.push(record).is_err();
        Detail(self)
    }
    fn reset(&mut self) {
        self.full = false;
        self.records.clear();
        self.labels.clear();
        self.text.clear();
    }
    /// Completes the block and hands it to the host in parts.
    fn emit(&mut self) -> Result<(), Error> {
        const HEADER: usize = 32;
        if self.full {
            return Err(Error::OutOfMemory);
        }
        let labels = HEADER + self.records.len() * size_of::<Record>();
        let text = labels + self.labels.len() * size_of::<[u32; 4]>();
        let (most, bytes) = unsafe { (host_info(INFO_MAX_ALERTS), host_info(INFO_MAX_EMIT)) };
        if self.records.len() as i64 > most || (text + self.text.len()) as i64 > bytes {
            return Err(Error::Internal("more verdicts than the engine takes"));
        }
        self.records.iter_mut().for_each(|r| r.text += text as u32);
        self.labels.iter_mut().for_each(|l| { l[0] += text as u32; l[2] += text as u32 });
        let n = self.text.len() as u32;
        let (records, pairs) = (self.records.len() as u32, self.labels.len() as u32);
        let header = [u32::from_le_bytes(*b"TSR1"), records, HEADER as u32, pairs, labels as u32, text as u32, n, 0];
        let parts = [
            (header.as_ptr() as *const u8, HEADER),
            (self.records.as_ptr() as *const u8, labels - HEADER),
            (self.labels.as_ptr() as *const u8, text - labels),
            (self.text.as_ptr(), self.text.len()),
        ];
        match parts.iter().all(|&(at, n)| n == 0 || unsafe { emit(EMIT_RESULT, at, n) } == 0) {
            true => Ok(()),
            false => Err(Error::Internal("the result was refused")),
        }
    }
}

impl Detail<'_> {
    fn change(&mut self, change: impl FnOnce(&mut Record)) {
        self.0.records.last_mut().map(change); // there is none when there was no room
    }
    /// What the value was compared with.
    pub fn threshold(mut self, t: f64) -> Self {
        self.change(|r| r.threshold = t);
        self
    }
    /// Explains the verdict in words.
    pub fn text(mut self, words: core::fmt::Arguments) -> Self {
        let at = self.0.text.len();
        self.0.full |= core::fmt::Write::write_fmt(&mut self.0.text, words).is_err();
        let n = self.0.text.len() - at;
        self.change(|r| (r.text, r.text_len) = (at as u32, n as u32));
        self
    }
    /// Adds a label to the identity of the instance.
    pub fn label(mut self, name: &str, value: &str) -> Self {
        let (at, n) = (self.0.text.len() as u32, name.len() as u32);
        self.0.full |= self.0.text.extend(name.as_bytes()).is_err()
            || self.0.text.extend(value.as_bytes()).is_err()
            || self.0.labels.push([at, n, at + n, value.len() as u32]).is_err();
        self.change(|r| r.label_count += 1);
        self
    }
}

/// The instance: one rule, and the slots that the host writes.
#[derive(Default)]
pub struct Guest<R: Rule> {
    slots: [Column<u64>; 4], // eight bytes: blocks are aligned to that
    rule: Option<R>,
    memory: Memory<R::Memory>,
    series: Option<Dictionary>,
    inputs: Column<Input>,
    out: Verdicts,
}

impl<R: Rule> Guest<R> {
    pub fn buffer(&mut self, slot: usize, size: usize) -> *mut u64 {
        let grown = self.slots.get_mut(slot).map(|s| (s.resize(s.len().max(size / 8 + 1), 0), s.as_mut_ptr()));
        match grown {
            Some((Ok(()), at)) => at,
            _ => core::ptr::null_mut(),
        }
    }
    pub fn describe(&self) -> i32 {
        unsafe { emit(EMIT_MANIFEST, R::MANIFEST.as_ptr(), R::MANIFEST.len()) }
    }
    pub fn configure(&mut self, block: &'static [u8]) -> Result<(), Error> {
        (self.rule, self.series) = (None, None);
        self.memory.forget();
        let params = Block::open(block, b"TSP1", 16).and_then(Params::read).ok_or(Error::BadConfig("malformed parameters"))?;
        let mut rule = R::default();
        rule.configure(&params)?;
        self.rule = Some(rule);
        Ok(())
    }
    /// The dictionary stays in its slot until the next one comes: nothing is copied.
    pub fn series(&mut self, block: &'static [u8]) -> Result<(), Error> {
        self.series = None;
        let rule = self.rule.as_mut().ok_or(Error::Internal("not configured"))?;
        let series = Block::open(block, b"TSD1", 80).and_then(Dictionary::read).ok_or(Error::BadInput("malformed series"))?;
        self.memory.follow(&series)?;
        rule.series(&series)?;
        self.series = Some(series);
        Ok(())
    }
    pub fn snapshot(&mut self) -> Result<(), Error> {
        let state = self.memory.save(self.series.as_ref())?;
        match state.is_empty() || unsafe { emit(EMIT_STATE, state.as_ptr(), state.len()) } == 0 {
            true => Ok(()),
            false => Err(Error::Internal("the state was refused")),
        }
    }
    pub fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        self.rule.as_ref().ok_or(Error::Internal("not configured"))?;
        self.memory.restore(state)
    }
    pub fn eval(&mut self, block: &'static [u8]) -> Result<(), Error> {
        let rule = self.rule.as_mut().ok_or(Error::Internal("not configured"))?;
        let series = self.series.as_ref().ok_or(Error::BadInput("no series were given"))?;
        let block = Block::open(block, b"TSW1", 64).ok_or(Error::BadInput("malformed window"))?;
        let window = Window::read(block, series, &mut self.inputs)?;
        if window.generation != series.generation || window.inputs.len() != R::INPUTS {
            return Err(Error::BadInput("a window over series or inputs that were not given"));
        }
        self.out.reset();
        rule.eval(&window, self.memory.all(), &mut self.out)?;
        self.out.emit()
    }
}

/// The status of a call.
pub fn status(result: Result<(), Error>) -> i32 {
    let (code, why) = match result {
        Ok(()) => return 0,
        Err(Error::NoVerdict) => return 1,
        Err(Error::BadConfig(why)) => (-1, why),
        Err(Error::Internal(why)) => (-2, why),
        Err(Error::OutOfMemory) => (-4, "no memory left"),
        Err(Error::BadInput(why)) => (-5, why),
    };
    unsafe { fail(code, why.as_ptr(), why.len()) };
    code
}

/// Exports a rule from the module.
#[macro_export]
macro_rules! export {
    ($rule:ty) => {
        // A guest has one thread and is called once at a time.
        static mut GUEST: Option<$crate::tocsin::Guest<$rule>> = None;
        fn guest() -> &'static mut $crate::tocsin::Guest<$rule> {
            unsafe { (*core::ptr::addr_of_mut!(GUEST)).get_or_insert_with(Default::default) }
        }
        fn block(at: *const u8, n: usize) -> &'static [u8] {
            unsafe { core::slice::from_raw_parts(at, n) }
        }
        #[no_mangle]
        pub extern "C" fn tocsin_abi_v1() {}
        #[no_mangle]
        pub extern "C" fn tocsin_describe() -> i32 {
            guest().describe()
        }
        #[no_mangle]
        pub extern "C" fn tocsin_buffer(slot: usize, size: usize) -> *mut u64 {
            guest().buffer(slot, size)
        }
        #[no_mangle]
        pub extern "C" fn tocsin_configure(_rule: i32, at: *const u8, n: usize) -> i32 {
            $crate::tocsin::status(guest().configure(block(at, n)))
        }
        #[no_mangle]
        pub extern "C" fn tocsin_series(_rule: i32, at: *const u8, n: usize) -> i32 {
            $crate::tocsin::status(guest().series(block(at, n)))
        }
        #[no_mangle]
        pub extern "C" fn tocsin_snapshot(_rule: i32) -> i32 {
            $crate::tocsin::status(guest().snapshot())
        }
        #[no_mangle]
        pub extern "C" fn tocsin_restore(_rule: i32, at: *const u8, n: usize) -> i32 {
            $crate::tocsin::status(guest().restore(block(at, n)))
        }
        #[no_mangle]
        pub extern "C" fn tocsin_eval(_rule: i32, at: *const u8, n: usize) -> i32 {
            $crate::tocsin::status(guest().eval(block(at, n)))
        }
    };
}
