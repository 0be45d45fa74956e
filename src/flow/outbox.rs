//! Bytes that a socket has not taken yet. Owns memory only while there are any.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use tokio::net::TcpStream;

use crate::net::scratch::BufferPool;
use crate::net::socket::poll_send;

/// What is still to be sent to one socket, in order; and, where that is wanted, what was sent already.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
    /// While there are no more bytes than this, those that were sent are held too; 0 holds none.
    retained: usize,
}

impl Outbox {
    /// Bytes waiting.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The buffer to append to.
    pub fn buffer(&mut self, pool: &BufferPool) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = pool.take();
        }
        &mut self.bytes
    }

    /// Holds what is sent from now on, as long as it is no more than `most` bytes behind what waits now. Nothing may
    /// have been sent before.
    pub fn retain(&mut self, most: usize) {
        self.retained = self.bytes.len() + most;
    }

    /// Whether everything that was ever sent is still held.
    pub fn is_retaining(&self) -> bool {
        self.retained > 0 && self.bytes.len() <= self.retained
    }

    /// Sends from the beginning again; false, and nothing changes, when part of it is no longer held.
    pub fn rewind(&mut self) -> bool {
        let whole = self.is_retaining();
        if whole {
            self.sent = 0;
        }
        whole
    }

    /// Holds no longer what was sent.
    pub fn forget(&mut self, pool: &BufferPool) {
        self.retained = 0;
        if self.is_empty() {
            self.release(pool);
        }
    }

    fn release(&mut self, pool: &BufferPool) {
        (self.sent, self.retained) = (0, 0);
        if self.bytes.capacity() > 0 {
            pool.put(&mut self.bytes);
        }
    }

    /// Sends until nothing waits; the memory then goes back to the pool, unless it is held. Ready with the bytes sent by
    /// this call.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn poll_flush(
        &mut self,
        socket: &TcpStream,
        pool: &BufferPool,
        cx: &mut Context<'_>,
        sent: &mut u64,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let count = ready!(poll_send(socket, cx, &[IoSlice::new(&self.bytes[self.sent..])]))?;
            self.sent += count;
            *sent += count as u64;
        }
        if !self.is_retaining() {
            self.release(pool);
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what waits and then `data`; what the socket does not take of either waits afterwards.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn poll_send_through(
        &mut self,
        data: &[u8],
        socket: &TcpStream,
        pool: &BufferPool,
        cx: &mut Context<'_>,
        sent: &mut u64,
    ) -> io::Result<()> {
        if self.is_retaining() {
            self.buffer(pool).extend_from_slice(data);
            return match self.poll_flush(socket, pool, cx, sent) {
                Poll::Ready(Err(fault)) => Err(fault),
                _ => Ok(()),
            };
        }
        let mut left = data;
        while !left.is_empty() {
            let waiting = self.len();
            let slices = [IoSlice::new(&self.bytes[self.sent..]), IoSlice::new(left)];
            let slices = if waiting == 0 { &slices[1..] } else { &slices[..] };
            let Poll::Ready(count) = poll_send(socket, cx, slices) else { break };
            let count = count?;
            *sent += count as u64;
            self.sent += count.min(waiting);
            left = &left[count.saturating_sub(waiting)..];
        }
        if self.is_empty() {
            self.bytes.clear();
            (self.sent, self.retained) = (0, 0);
        }
        if !left.is_empty() {
            self.buffer(pool).extend_from_slice(left);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
