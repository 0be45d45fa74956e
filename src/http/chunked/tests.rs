//! Every way to split a chunked body gives the same bytes; every way to bend the grammar is refused.

use proptest::prelude::*;

use super::*;

/// Decodes `parts` one after the other: data, bytes left over after the end, and whether it ended.
fn decode<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Result<(Vec<u8>, usize, Decoder), BadChunk> {
    let mut decoder = Decoder::default();
    let (mut data, mut over) = (Vec::new(), 0);
    for mut part in parts {
        loop {
            match decoder.next(&mut part)? {
                Piece::Data(bytes) => data.extend_from_slice(bytes),
                Piece::More => break,
                Piece::End => {
                    over += part.len();
                    break;
                }
            }
        }
    }
    Ok((data, over, decoder))
}

fn whole(body: &[u8]) -> Result<(Vec<u8>, usize, Decoder), BadChunk> {
    decode([body])
}

#[test]
fn decodes_and_stops_at_the_end() {
    let (data, over, decoder) = whole(b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\nGET").expect("valid");
    assert_eq!(data, b"hello world");
    assert_eq!(over, 3);
    assert!(decoder.is_done());
}

#[test]
fn trailers_that_frame_or_route_are_dropped() {
    let (_, _, decoder) =
        whole(b"0\r\nX-Sum: 1\r\nContent-Length: 5\r\nHost: h\r\nconnection: x\r\nETag: \"a\"\r\n\r\n").expect("valid");
    let mut out = Vec::new();
    decoder.write_end(&mut out);
    assert_eq!(out, b"0\r\nX-Sum: 1\r\nETag: \"a\"\r\n\r\n");
}

#[test]
fn refused() {
    for body in [
        "0x5\r\n",
        "+5\r\n",
        "-5\r\n",
        "0_5\r\n",
        "\r\n",
        " 5\r\n",
        "5 \r\n",
        "5\n",
        "5\t;a\r\n",
        ";a\r\n",
        "g\r\n",
        "5\r\nhelloX\r\n",
        "5\r\nhello\n",
        "5\r\nhello\r\r\n",
        "5\r\nhelloXX",
        "00000000000000005\r\n",
        "fffffffffffffffff\r\n",
        "5;a\nb\r\n",
        "5;a\rb\r\n",
        "5;\0\r\n",
        "5;\u{7f}\r\n",
        "0\r\n\n",
        "0\r\nA: b\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\nA: \0\r\n\r\n",
        "0\r\n A: b\r\n\r\n",
    ] {
        assert!(whole(body.as_bytes()).is_err(), "{body:?}");
    }
}

#[test]
fn largest_size_is_read_without_overflow() {
    let (data, _, decoder) = whole(b"ffffffffffffffff\r\nabc").expect("valid so far");
    assert_eq!(data, b"abc");
    assert!(!decoder.is_done());
}

#[test]
fn extensions_and_trailers_are_bounded() {
    let many = format!("1;{}\r\n", "a".repeat(MAX_EXTENSIONS as usize + 1));
    assert!(whole(many.as_bytes()).is_err());
    let spread = "1;aaaaaaaa\r\nx\r\n".repeat(MAX_EXTENSIONS as usize / 8 + 1);
    assert!(whole(spread.as_bytes()).is_err(), "counted over the whole body");
    let trailer = format!("0\r\n{}", "A: b\r\n".repeat(MAX_TRAILERS));
    assert!(whole(trailer.as_bytes()).is_err());
}

#[test]
fn sizes_are_written_in_hex() {
    for (size, text) in [(1, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (65_535, "ffff\r\n"), (65_536, "10000\r\n")] {
        let mut out = Vec::new();
        write_size(size, &mut out);
        assert_eq!(out, text.as_bytes());
    }
}

proptest! {
    #[test]
    fn any_split_decodes_to_the_same(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut body = Vec::new();
        chunks.iter().for_each(|chunk| write_chunk(chunk, &mut body));
        Decoder::default().write_end(&mut body);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len())).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let parts = cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]);
        let (data, over, decoder) = decode(parts).expect("we wrote it");
        prop_assert_eq!(data, chunks.concat());
        prop_assert_eq!(over, 0);
        prop_assert!(decoder.is_done());
    }

    #[test]
    fn any_bytes_split_anywhere_give_one_verdict(
        body in prop::collection::vec(prop::sample::select(b"0125af;\r\n xA:".to_vec()), 0..60),
    ) {
        let at_once = whole(&body).map(|(data, over, decoder)| (data, over, decoder.is_done()));
        let bytewise = decode(body.chunks(1)).map(|(data, over, decoder)| (data, over, decoder.is_done()));
        prop_assert_eq!(at_once, bytewise);
    }
}
