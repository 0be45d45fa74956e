//! A connection to a server, and the seat that it takes there.

use std::sync::Arc;

use super::Pool;
use crate::icap::wire::Wire;

/// What becomes of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SeatEnd {
    Free,
    Cooling,
}

/// One of the connections that a server allows. Given back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    pool: Arc<Pool>,
    end: SeatEnd,
}

impl Seat {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { pool, end: SeatEnd::Free }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.pool.free(self.end);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Quiet,
    UnderWay,
}

/// A connection. Dropped in the middle of a transaction it is reset, so that the server learns at once that the message
/// is not whole; dropped otherwise it is closed.
#[derive(Debug)]
pub struct Link {
    // Dropped before `seat`: a seat is free when the connection is closed.
    wire: Wire,
    seat: Seat,
    carried: u32,
    state: State,
}

impl Link {
    /// A new connection on this seat.
    pub fn new(wire: Wire, seat: Seat) -> Self {
        Self { wire, seat, carried: 0, state: State::Quiet }
    }

    /// The socket.
    pub fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// Requests that it has carried.
    pub fn carried(&self) -> u32 {
        self.carried
    }

    /// Notes that a request begins.
    pub fn begin(&mut self) {
        self.carried += 1;
        self.state = State::UnderWay;
    }

    /// Notes that the answer is whole.
    pub fn finish(&mut self) {
        self.state = State::Quiet;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.state == State::UnderWay {
            self.wire.reset_on_drop();
            self.seat.end = SeatEnd::Cooling;
        }
    }
}
