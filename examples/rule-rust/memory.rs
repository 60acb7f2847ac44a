//! What a rule remembers of each series: an element by the index of the series, which moves along when series get other
//! indexes, and outlives a restart of the engine.

use crate::column::{Column, Full};
use crate::tocsin::{Dictionary, Error};
use core::mem::{size_of, swap};

/// What can be remembered: any bytes of the right number are a value.
///
/// # Safety
/// A type has no padding, and no bytes that it does not allow.
pub unsafe trait Plain: Copy + Default {}

unsafe impl Plain for () {} // nothing
unsafe impl Plain for u32 {}
unsafe impl Plain for i32 {}
unsafe impl Plain for u64 {}
unsafe impl Plain for i64 {}
unsafe impl Plain for f64 {}
unsafe impl<T: Plain> Plain for [T; 2] where [T; 2]: Default {}
unsafe impl<T: Plain> Plain for [T; 3] where [T; 3]: Default {}
unsafe impl<T: Plain> Plain for [T; 4] where [T; 4]: Default {}

fn bytes<T: Plain>(value: &T) -> &[u8] {
    unsafe { core::slice::from_raw_parts(value as *const T as *const u8, size_of::<T>()) } // it is plain
}

fn value<T: Plain>(bytes: &[u8]) -> T {
    assert!(bytes.len() == size_of::<T>());
    unsafe { (bytes.as_ptr() as *const T).read_unaligned() } // it is plain, and all there
}

/// The elements. The state is a record for each series of which anything is remembered: its fingerprint and its element.
#[derive(Default)]
pub struct Memory<T: Plain> {
    now: Column<T>,
    before: Column<T>,
    saved: Column<u8>,
    // What was restored waits until its series appears, as the target of one may answer later than that of another.
    waiting: Column<(u64, T)>,
    places: Column<u32>, // of what is waiting, by fingerprint: its number plus one; open addressing
}

impl<T: Plain> Memory<T> {
    /// By the index of the series.
    pub fn all(&mut self) -> &mut [T] {
        &mut self.now
    }
    pub fn forget(&mut self) {
        self.now.clear();
        self.waiting.clear();
    }
    /// Takes what is remembered along to the places of another dictionary.
    pub fn follow(&mut self, series: &Dictionary) -> Result<(), Full> {
        self.before.clear();
        for (i, &from) in series.remap.iter().enumerate() {
            let element = match self.now.get(from as usize) {
                Some(&known) => known,
                None => self.recall(series.uid[i]),
            };
            self.before.push(element)?;
        }
        swap(&mut self.now, &mut self.before);
        Ok(())
    }
    /// What was restored of a series that is new, once.
    fn recall(&mut self, uid: u64) -> T {
        let number = if self.waiting.is_empty() { 0 } else { self.places[self.place(uid)] };
        match number {
            0 => T::default(),
            n => core::mem::take(&mut self.waiting[n as usize - 1].1),
        }
    }
    /// Where the number of what is waiting for a series stands, or where it belongs.
    fn place(&self, uid: u64) -> usize {
        let mask = self.places.len() - 1;
        let mut i = uid as usize & mask;
        while self.places[i] != 0 && self.waiting[self.places[i] as usize - 1].0 != uid {
            i = (i + 1) & mask;
        }
        i
    }
    /// The state; series is none while nothing has been asked for since it was restored.
    pub fn save(&mut self, series: Option<&Dictionary>) -> Result<&[u8], Full> {
        self.saved.clear();
        let saved = &mut self.saved;
        let mut add = |uid: u64, element: &T| {
            if bytes(element).iter().all(|&b| b == 0) {
                return Ok(());
            }
            saved.extend(&uid.to_le_bytes())?;
            saved.extend(bytes(element))
        };
        match series {
            Some(series) => series.uid.iter().zip(self.now.iter()).try_for_each(|(&uid, element)| add(uid, element))?,
            None => self.waiting.iter().try_for_each(|(uid, element)| add(*uid, element))?,
        }
        Ok(&self.saved)
    }
    pub fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let record = size_of::<u64>() + size_of::<T>();
        self.forget();
        if state.len() % record != 0 {
            return Err(Error::BadInput("malformed state"));
        }
        self.places.clear();
        self.places.resize((2 * state.len() / record).next_power_of_two().max(64), 0)?;
        for part in state.chunks_exact(record) {
            let (uid, element) = (value::<u64>(&part[..8]), value::<T>(&part[8..]));
            let at = self.place(uid);
            if self.places[at] != 0 {
                return Err(Error::BadInput("a series stands in the state twice"));
            }
            self.waiting.push((uid, element))?;
            self.places[at] = self.waiting.len() as u32;
        }
        Ok(())
    }
}
