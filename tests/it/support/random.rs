//! Numbers that look random and are the same in every run.

/// A generator (SplitMix64); the same seed gives the same numbers.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// A generator of its own for this seed.
    pub fn seeded(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// One of `choices`.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A size from 1 to `most`, small ones as likely as large ones in orders of magnitude.
    pub fn size(&mut self, most: usize) -> usize {
        let least = 1 << self.below(most.ilog2() as usize + 1);
        (least + self.below(least)).min(most)
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            piece.copy_from_slice(&self.next().to_le_bytes()[..piece.len()]);
        }
    }
}

/// A stock of random bytes from which pieces are cut: cheap to send, and cheap to compare with what arrives.
pub struct Noise(Vec<u8>);

/// Bytes in stock.
const STOCK: usize = 4 * 1024 * 1024;

impl Noise {
    /// A stock of its own for this seed.
    pub fn new(seed: u64) -> Noise {
        let mut bytes = vec![0; STOCK];
        Random::seeded(seed).fill(&mut bytes);
        Noise(bytes)
    }

    /// A piece of 1 to `most` bytes from anywhere.
    pub fn piece(&self, random: &mut Random, most: usize) -> &[u8] {
        let size = random.size(most);
        let begin = random.below(STOCK - size);
        &self.0[begin..begin + size]
    }
}
