//! Loops that have an end, also when what they wait for never comes.

use std::time::Instant;

use super::proxy::SOON;

/// Repeats `step` until it says that it is done.
///
/// # Panics
/// When it has not after [`SOON`].
pub fn until(what: &str, mut step: impl FnMut() -> bool) {
    let began = Instant::now();
    while !step() {
        assert!(began.elapsed() < SOON, "not {what} in time");
    }
}
