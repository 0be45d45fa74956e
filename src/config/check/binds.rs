//! No two ports may listen on one address.

use std::net::SocketAddr;

use crate::config::problem::{Place, Problem, Problems};

/// An address to listen on.
#[derive(Clone, Debug)]
pub(super) struct Bind {
    /// Whose it is, for messages.
    pub owner: String,
    pub address: SocketAddr,
    /// Where it was set; [`Place::File`] for a default.
    pub place: Place,
}

/// Notes every bind that collides with an earlier one.
pub(super) fn check(binds: &[Bind], problems: &mut Problems) {
    for (at, second) in binds.iter().enumerate() {
        if let Some(first) = binds[..at].iter().find(|first| collide(first.address, second.address)) {
            problems.push(collision(first, second));
        }
    }
}

/// With `SO_REUSEPORT` the kernel would let both listen and share clients out between them at random. Port 0 is a new
/// port each time.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let (ip_a, ip_b) = (a.ip().to_canonical(), b.ip().to_canonical());
    a.port() != 0 && a.port() == b.port() && (ip_a == ip_b || ip_a.is_unspecified() || ip_b.is_unspecified())
}

fn collision(first: &Bind, second: &Bind) -> Problem {
    let message = if first.address == second.address {
        format!("{} and {} both listen on {}", first.owner, second.owner, second.address)
    } else {
        let ([one, other], [at, over]) = ([&first.owner, &second.owner], [first.address, second.address]);
        format!("{one} on {at} and {other} on {over} are in each other's way")
    };
    let (place, earlier) = match (&first.place, &second.place) {
        (Place::Text(a), Place::Text(b)) if a.start > b.start => (first.place.clone(), Some(b.clone())),
        (Place::Text(a), Place::Text(_)) => (second.place.clone(), Some(a.clone())),
        // A default is nowhere to be pointed at.
        (_, Place::File) => (first.place.clone(), None),
        _ => (second.place.clone(), None),
    };
    Problem { place, message, help: "give each an address or a port of its own".to_owned(), first: earlier }
}
