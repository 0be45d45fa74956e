//! How fast an exchange may go, by the rates it is counted in.

use tokio::time::Instant;

use super::Holding;

/// Fewer bytes than this are not worth a turn of their own.
const LEAST_TURN: u64 = 1024;

/// What the rates allow at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// No rate counts bytes.
    Free,
    /// So many bytes, in all directions together.
    AtMost(u64),
    /// None before then.
    NotBefore(Instant),
}

impl Holding<'_> {
    /// Notes `bytes` that moved against the rates.
    pub fn spend(&self, bytes: u64) {
        if let Some(planned) = &self.state.borrow().planned
            && planned.rates.counts_bytes()
        {
            planned.rates.spend(bytes, std::time::Instant::now());
        }
    }

    /// How many bytes may move now, or when some may again.
    pub fn pace(&self) -> Pace {
        let state = self.state.borrow();
        let Some(planned) = state.planned.as_ref().filter(|planned| planned.rates.counts_bytes()) else {
            return Pace::Free;
        };
        let now = std::time::Instant::now();
        match planned.rates.ready_at(now) {
            Some(at) => Pace::NotBefore(at.into()),
            None => Pace::AtMost(planned.rates.available(now).max(LEAST_TURN)),
        }
    }
}
