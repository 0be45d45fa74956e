//! A count, that many places to split, then any bytes as a chunked body: however it arrives it is read the same, as a
//! simple-minded reader would read it, and what is written anew is read the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tether::http::body::{BodyFormat, BodyReader};
use tether::http::framing::BodyFraming;
use tether_fuzz::{US, Written};

/// What a body was read as.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    /// Body bytes, framed anew or not.
    data: Vec<u8>,
    /// Whether its end was found.
    done: bool,
    /// Bytes after its end.
    over: usize,
    /// Whether it was refused in the end.
    refused: bool,
}

fuzz_target!(|input: &[u8]| {
    let Some((count, rest)) = input.split_first() else { return };
    let Some((places, body)) = rest.split_at_checked(usize::from(*count % 16)) else { return };
    let parts = split(body, places);
    let whole = read(&[body], BodyFormat::Plain);
    assert_eq!(read(&parts, BodyFormat::Plain), whole, "split into {parts:?}");

    let anew = read(&parts, BodyFormat::Chunked);
    assert_eq!((anew.done, anew.over, anew.refused), (whole.done, whole.over, whole.refused));
    let again = read(&[&anew.data], BodyFormat::Plain);
    assert_eq!((&again.data, again.done, again.over, again.refused), (&whole.data, whole.done, 0, false));
    if whole.done {
        assert_eq!(simple_minded(body).as_deref(), Some(whole.data.as_slice()));
        assert_eq!(simple_minded(&anew.data).as_deref(), Some(whole.data.as_slice()));
        assert_eq!(read(&[&anew.data], BodyFormat::Chunked).data, anew.data, "written anew twice");
        trailers_are_harmless(&anew.data);
    }
});

/// `body` in pieces, cut at each place (a share of the whole in 255ths).
fn split<'a>(body: &'a [u8], places: &[u8]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = places.iter().map(|place| usize::from(*place) * body.len() / 255).collect();
    cuts.extend([0, body.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect()
}

fn read(parts: &[&[u8]], format: BodyFormat) -> Read {
    let mut reader = BodyReader::new(BodyFraming::Chunked);
    let mut read = Read { data: Vec::new(), done: false, over: 0, refused: false };
    for part in parts {
        match reader.read(part, format, &mut read.data) {
            Ok(taken) => {
                assert!(taken.used == part.len() || reader.is_done(), "stopped before the end of its input");
                read.over += part.len() - taken.used;
            }
            Err(_) => {
                read.refused = true;
                break;
            }
        }
    }
    read.done = !read.refused && reader.is_done();
    read
}

/// Reads the data of a body that we found good, the way of RFC 9112 section 7.1.3.
fn simple_minded(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let line_end = body.windows(2).position(|pair| pair == b"\r\n")?;
        let line = std::str::from_utf8(body[..line_end].split(|byte| *byte == b';').next()?).ok()?;
        let size = usize::try_from(u64::from_str_radix(line, 16).ok()?).ok()?;
        body = &body[line_end + 2..];
        if size == 0 {
            return Some(data);
        }
        data.extend_from_slice(body.get(..size)?);
        body = body[size..].strip_prefix(b"\r\n")?;
    }
}

/// The trailer section that goes on is made of good fields, none of which frames, routes or belongs to one hop.
fn trailers_are_harmless(anew: &[u8]) {
    let last_chunk = last_chunk(anew);
    let as_head = [b"trailers\r\n", last_chunk].concat();
    let mut written = Written::take_apart(&as_head);
    for name in ["content-length", "transfer-encoding", "host", "connection", "upgrade", "via", "expect"] {
        assert!(written.values(name).is_empty(), "{name} in the trailers");
    }
    written.fields.push((b"Via", US.as_bytes()));
    written.assert_fit_to_pass_on();
}

/// What follows the size line of the last chunk.
fn last_chunk(mut body: &[u8]) -> &[u8] {
    loop {
        let line_end = body.windows(2).position(|pair| pair == b"\r\n").expect("we wrote it");
        let line = std::str::from_utf8(&body[..line_end]).expect("hex");
        let size = usize::from_str_radix(line, 16).expect("a size");
        body = &body[line_end + 2..];
        if size == 0 {
            return body;
        }
        body = &body[size + 2..];
    }
}
