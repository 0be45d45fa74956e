//! Memory that a worker lends out only while bytes are in its hands: no connection owns a buffer while it waits.

use std::cell::RefCell;

/// Bytes read at once. One buffer of this size per worker.
pub const SCRATCH: usize = 64 * 1024;

/// The read buffer of a worker.
///
/// It is lent to a synchronous closure, so it cannot be held over an await.
#[derive(Debug)]
pub struct Scratch(RefCell<Box<[u8]>>);

impl Default for Scratch {
    fn default() -> Self {
        Self(RefCell::new(vec![0; SCRATCH].into()))
    }
}

impl Scratch {
    /// Lends the buffer to `work`.
    ///
    /// # Panics
    /// When `work` itself asks for the buffer: a fault in this program, not in any input.
    pub fn with<T>(&self, work: impl FnOnce(&mut [u8]) -> T) -> T {
        work(&mut self.0.borrow_mut())
    }
}

/// Largest buffer that is kept for later.
const KEPT_CAPACITY: usize = 16 * 1024;
/// Most buffers kept for later.
const KEPT_BUFFERS: usize = 64;

/// Small buffers for heads and unsent rests, used again and again.
#[derive(Debug, Default)]
pub struct BufferPool(RefCell<Vec<Vec<u8>>>);

impl BufferPool {
    /// An empty buffer, with the memory of an earlier one where there is one.
    pub fn take(&self) -> Vec<u8> {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives a buffer back; `buffer` is left without memory.
    pub fn put(&self, buffer: &mut Vec<u8>) {
        let mut given = std::mem::take(buffer);
        let mut kept = self.0.borrow_mut();
        if (1..=KEPT_CAPACITY).contains(&given.capacity()) && kept.len() < KEPT_BUFFERS {
            given.clear();
            kept.push(given);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_empty_and_huge_ones_do_not() {
        let pool = BufferPool::default();
        let mut small = pool.take();
        small.extend_from_slice(b"secret");
        pool.put(&mut small);
        assert_eq!(small.capacity(), 0);
        let again = pool.take();
        assert!(again.is_empty() && again.capacity() >= 6);
        let mut huge = vec![0; KEPT_CAPACITY + 1];
        pool.put(&mut huge);
        assert_eq!(pool.take().capacity(), 0);
    }
}
