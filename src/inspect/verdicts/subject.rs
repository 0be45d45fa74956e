//! What a question is about: the service, the bytes, and what the head says of them, in one digest.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::inspect::course::Direction;

/// The SHA-256 of a body that is coming.
#[derive(Clone, Debug, Default)]
pub struct BodyHash(Sha256);

impl BodyHash {
    /// Takes the next bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of the whole.
    pub fn finish(self) -> BodyDigest {
        BodyDigest(self.0.finalize().into())
    }
}

/// The SHA-256 of a body, as it was transferred: with its content coding, without framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyDigest([u8; 32]);

/// A whole body that a service is asked about, and everything else that its answer may depend on. A field that is not
/// there is empty.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The service.
    pub service: &'a Arc<str>,
    /// REQMOD or RESPMOD.
    pub direction: Direction,
    /// The bytes.
    pub body: &'a BodyDigest,
    /// `Content-Type`: services choose by it what they look at.
    pub media_type: &'a [u8],
    /// `Content-Encoding`: the same bytes are another thing when a browser decodes them.
    pub coding: &'a [u8],
    /// `Content-Disposition`: the name it will be saved under.
    pub disposition: &'a [u8],
    /// The extension in the path of the URL.
    pub extension: &'a [u8],
}

impl Subject<'_> {
    pub(super) fn key(&self) -> Key {
        let direction: &[u8] = match self.direction {
            Direction::Request => b"REQMOD",
            Direction::Response => b"RESPMOD",
        };
        let mut hash = Sha256::new();
        let head = [self.media_type, self.coding, self.disposition, self.extension];
        for part in [self.service.as_bytes(), direction, &self.body.0].into_iter().chain(head) {
            // With its length, so that no part can pass for the end of another.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Key(hash.finalize().into())
    }
}

/// The digest of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    /// Which of `count` shards it belongs to.
    pub(super) fn shard(&self, count: usize) -> usize {
        usize::from(self.0[0]) % count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_hashed_as_they_come() {
        // FIPS 180-2, appendix B.1.
        let known: [u8; 32] = [
            0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03,
            0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
        ];
        for split in 0..=3 {
            let (front, rest) = b"abc".split_at(split);
            let mut hash = BodyHash::default();
            hash.push(front);
            hash.push(rest);
            assert_eq!(hash.finish(), BodyDigest(known));
        }
    }

    #[test]
    fn whatever_an_answer_depends_on_makes_another_key() {
        let (av, dlp): (Arc<str>, Arc<str>) = ("av".into(), "dlp".into());
        let (body, other) = (BodyHash::default().finish(), BodyDigest([0; 32]));
        let none: &[u8] = b"";
        let plain = Subject {
            service: &av,
            direction: Direction::Response,
            body: &body,
            media_type: none,
            coding: none,
            disposition: none,
            extension: none,
        };
        let subjects = [
            plain,
            Subject { service: &dlp, ..plain },
            Subject { direction: Direction::Request, ..plain },
            Subject { body: &other, ..plain },
            Subject { media_type: b"x", ..plain },
            Subject { coding: b"x", ..plain },
            Subject { disposition: b"x", ..plain },
            Subject { extension: b"x", ..plain },
            Subject { media_type: b"xx", ..plain },
            Subject { media_type: b"x", coding: b"x", ..plain },
        ];
        for (number, subject) in subjects.iter().enumerate() {
            assert_eq!(subject.key(), subject.key());
            assert!(subjects[..number].iter().all(|earlier| earlier.key() != subject.key()), "{number}");
        }
    }
}
