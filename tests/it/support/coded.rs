//! A body that is large only once it is decoded, and yet no bomb.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// gzip of more bytes than are scanned whole by default: fewer than a mebibyte, of which each makes some 60.
pub fn large_when_decoded() -> Vec<u8> {
    let line = "tether scans what flows and never waits ".repeat(16);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut number = 0u32;
    for _ in 0..=(25 << 20) / line.len() {
        number = number.wrapping_add(2_654_435_761);
        write!(encoder, "{number:08x} {line}").expect("memory");
    }
    encoder.finish().expect("memory")
}
