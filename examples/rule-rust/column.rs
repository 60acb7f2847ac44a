//! Memory that grows. There is no Vec without the standard library and an allocator, and a rule needs little of either: what
//! it has room for once, it has room for in the next evaluation.

use core::mem::size_of;
use core::ops::{Deref, DerefMut};
use core::ptr;

/// An array of numbers, or of structs of numbers, that grows. What it has outgrown is not given back, and nothing is when
/// it is dropped: keep columns for as long as the rule lives, and clear them.
pub struct Column<T: Copy> {
    at: *mut T,
    len: usize,
    room: usize, // elements
}

/// There is no memory left.
pub struct Full;

impl<T: Copy> Default for Column<T> {
    fn default() -> Self {
        Column { at: ptr::NonNull::dangling().as_ptr(), len: 0, room: 0 }
    }
}

impl<T: Copy> Column<T> {
    pub fn clear(&mut self) {
        self.len = 0;
    }
    pub fn push(&mut self, value: T) -> Result<(), Full> {
        self.reserve(self.len + 1)?;
        unsafe { self.at.add(self.len).write(value) }; // inside the room, by the line above
        self.len += 1;
        Ok(())
    }
    pub fn extend(&mut self, values: &[T]) -> Result<(), Full> {
        self.reserve(self.len + values.len())?;
        unsafe { ptr::copy_nonoverlapping(values.as_ptr(), self.at.add(self.len), values.len()) }; // inside the room, and elsewhere
        self.len += values.len();
        Ok(())
    }
    /// Makes it n elements long; those that come to it are value.
    pub fn resize(&mut self, n: usize, value: T) -> Result<(), Full> {
        self.reserve(n)?;
        for i in self.len..n {
            unsafe { self.at.add(i).write(value) }; // inside the room, by the line above
        }
        self.len = n;
        Ok(())
    }
    /// Makes room for n elements in all.
    fn reserve(&mut self, n: usize) -> Result<(), Full> {
        if n <= self.room {
            return Ok(());
        }
        let bytes = |n: usize| n.checked_mul(size_of::<T>()).filter(|&b| b < 1 << 31).ok_or(Full);
        bytes(n)?;
        if self.room > 0 && unsafe { self.at.add(self.room) } as usize == heap().free {
            let more = n - self.room;
            heap().take(bytes(more)?)?; // the last one: it grows where it is
            self.room = n;
            return Ok(());
        }
        let room = n.max(2 * self.room).max(16);
        let at = heap().take(bytes(room)?)? as *mut T;
        unsafe { ptr::copy_nonoverlapping(self.at, at, self.len) }; // as many lie at both places, which are apart
        (self.at, self.room) = (at, room);
        Ok(())
    }
}

impl<T: Copy> Deref for Column<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        unsafe { core::slice::from_raw_parts(self.at, self.len) } // all of them were written
    }
}

impl<T: Copy> DerefMut for Column<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        unsafe { core::slice::from_raw_parts_mut(self.at, self.len) } // all of them were written
    }
}

/// Text is written into a column of bytes, by `write!` or otherwise.
impl core::fmt::Write for Column<u8> {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        self.extend(s.as_bytes()).map_err(|Full| core::fmt::Error)
    }
}

/// The end of the memory, which only this file makes longer.
struct Heap {
    free: usize,
    end: usize,
}

fn heap() -> &'static mut Heap {
    static mut HEAP: Heap = Heap { free: 0, end: 0 };
    unsafe { &mut *ptr::addr_of_mut!(HEAP) } // a guest has one thread, and nobody holds on to this
}

impl Heap {
    /// A place for so many bytes, directly behind the one before. All places begin at a multiple of 8.
    fn take(&mut self, bytes: usize) -> Result<usize, Full> {
        const PAGE: usize = 1 << 16;
        let bytes = (bytes + 7) & !7;
        if bytes > self.end - self.free {
            let pages = (bytes - (self.end - self.free) + PAGE - 1) / PAGE;
            let before = core::arch::wasm32::memory_size(0);
            if before + pages >= 1 << 16 || core::arch::wasm32::memory_grow(0, pages) == usize::MAX {
                return Err(Full);
            }
            if self.end == 0 {
                self.free = before * PAGE; // what lies below belongs to the compiler: the stack, constants
            }
            self.end = (before + pages) * PAGE;
        }
        let at = self.free;
        self.free += bytes;
        Ok(at)
    }
}
