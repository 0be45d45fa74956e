//! The parts of `multipart/x-mixed-replace`: one ends with the line that begins the next.

/// Longest boundary there may be, in bytes (RFC 2046 section 5.1.1).
const LONGEST: usize = 70;

/// Where a stream of parts stands. The line between two parts is two hyphens and the boundary; some cameras write the
/// hyphens into the parameter already, so any number of them from two on is one.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    /// The boundary without hyphens in front.
    token: Box<[u8]>,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Behind so many hyphens at the beginning of a line.
    Hyphens(usize),
    /// Behind so many bytes of the boundary.
    Token(usize),
    /// In a line between parts.
    Between,
    /// In any other line.
    Other,
}

impl Parts {
    /// Parts with this boundary; none where it cannot be one.
    pub(super) fn new(boundary: &[u8]) -> Option<Self> {
        let hyphens = boundary.iter().take_while(|byte| **byte == b'-').count();
        let token = &boundary[hyphens..];
        let is_good = !token.is_empty() && boundary.len() <= LONGEST && !token.contains(&b'\n');
        is_good.then(|| Self { token: token.into(), place: Place::Hyphens(0) })
    }

    /// Bytes at the front of the next piece that end with a line between parts.
    pub(super) fn boundary(&mut self, piece: &[u8]) -> usize {
        let (mut at, mut end) = (0, 0);
        while at < piece.len() {
            if matches!(self.place, Place::Between | Place::Other) {
                let Some(length) = memchr::memchr(b'\n', &piece[at..]) else { break };
                at += length + 1;
                if self.place == Place::Between {
                    end = at;
                }
                self.place = Place::Hyphens(0);
            } else {
                self.place = self.after(piece[at]);
                at += 1;
            }
        }
        end
    }

    /// The place behind one more byte of what may be the beginning of a line between parts.
    fn after(&self, byte: u8) -> Place {
        let (hyphens, matched) = match self.place {
            Place::Hyphens(count) => (count, 0),
            Place::Token(count) => (2, count),
            Place::Between | Place::Other => return self.place,
        };
        match self.token.get(matched) {
            _ if byte == b'\n' => Place::Hyphens(0),
            _ if byte == b'-' && matched == 0 => Place::Hyphens((hyphens + 1).min(2)),
            Some(wanted) if *wanted == byte && hyphens == 2 => {
                if matched + 1 == self.token.len() {
                    Place::Between
                } else {
                    Place::Token(matched + 1)
                }
            }
            _ => Place::Other,
        }
    }
}
