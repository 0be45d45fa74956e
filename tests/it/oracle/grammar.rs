//! Messages of the kinds that have fooled parsers: mostly right, bent in one or a few places (after http-garden).

use crate::support::random::Random;

/// Pieces of one kind.
struct Table {
    /// Good ones, and odd ones that mean the same to everybody.
    good: &'static [&'static str],
    /// Bad ones, and those that not everybody reads alike.
    odd: &'static [&'static str],
}

impl Table {
    /// A good piece in seven of eight cases: with fewer, hardly any message would come through.
    fn pick(&self, random: &mut Random) -> &'static str {
        if random.below(8) == 0 { random.pick(self.odd) } else { random.pick(self.good) }
    }
}

const METHODS: Table = Table {
    good: &["GET", "GET", "POST", "POST", "PUT", "HEAD", "OPTIONS", "DELETE"],
    odd: &["FETCH", "get", "CONNECT"],
};
const TARGETS: Table = Table {
    good: &[
        "http://h/",
        "http://h/a?b=c",
        "http://h:8080/x",
        "http://h",
        "HTTP://H/",
        "http://127.0.0.1/",
        "http://[::1]:81/",
        "/",
        "http://h/a%20b",
    ],
    odd: &["*", "h:80", "https://h/", "http://u@h/", "http://h/#f", "http://h:/", "http://h:0/", "http:///"],
};
const VERSIONS: Table = Table {
    good: &[" HTTP/1.1", " HTTP/1.1", " HTTP/1.1", " HTTP/1.1", " HTTP/1.0"],
    odd: &[" HTTP/1.2", "", "  HTTP/1.1", " http/1.1"],
};
const STATUSES: Table = Table {
    good: &[
        "200 OK",
        "200 OK",
        "200 OK",
        "404 Not Found",
        "204 No Content",
        "304 Not Modified",
        "200",
        "200 ",
        "999 x",
    ],
    odd: &["099 x", "2000 x", "101 x"],
};
const PROTOCOLS: Table =
    Table { good: &["HTTP/1.1 ", "HTTP/1.1 ", "HTTP/1.0 "], odd: &["HTTP/1.2 ", "http/1.1 ", "HTTP/1.1  "] };
const HOSTS: Table = Table {
    good: &["Host: h\r\n", "hOST:h\r\n", "Host: \t h \t\r\n"],
    odd: &["", "Host: h\r\nHost: h\r\n", "Host:\r\n", "Host: a b\r\n"],
};

const FRAMINGS: Table = Table {
    good: &[
        "Content-Length: 5\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: 0\r\n",
        "content-length:5\r\n",
        "Content-Length: 05\r\n",
        "Content-Length: \t5 \t\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\n",
        "transfer-encoding:CHUNKED\r\n",
        "Transfer-Encoding: \tchunked \r\n",
        "",
    ],
    odd: &[
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 0\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5,6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: \x0b5\r\n",
        "Content-Length:\r\n",
        "Content-Length: 18446744073709551614\r\n",
        "Content-Length: 18446744073709551615\r\n",
        "Content-Length: 18446744073709551621\r\n",
        "Content-Length : 5\r\n",
        "Content-Length\t: 5\r\n",
        " Content-Length: 5\r\n",
        "Content-Length:\r\n 5\r\n",
        "Content-Length: 5\n",
        "A: b\rContent-Length: 5\r\n",
        "Content_Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunkedx\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer_Encoding: chunked\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ],
};

const OTHERS: Table = Table {
    good: &[
        "Connection: close\r\n",
        "Connection: keep-alive\r\n",
        "Connection: Content-Length, Transfer-Encoding, Host\r\n",
        "Expect: 100-continue\r\n",
        "A: b\r\n",
        "A:b\r\n",
        "A:\r\n",
        "A: \u{e9}\r\n",
        "A: b: c\r\n",
        "A!#$%&'*+-.^_`|~9: b\r\n",
        "TE: chunked\r\n",
        "Trailer: A\r\n",
    ],
    odd: &["A: b\r\n c\r\n", ": b\r\n", "A\r\n", "A b: c\r\n"],
};

/// Chunked bodies and what comes near to them.
const CHUNKS: Table = Table {
    good: &[
        "5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "0\r\n\r\n",
        "000\r\n\r\n",
        "A\r\nhellohello\r\n0\r\n\r\n",
        "5;a=b\r\nhello\r\n0;c\r\n\r\n",
        "5;a=\"b\"\r\nhello\r\n0\r\nA: b\r\n\r\n",
        "0\r\nA: b\r\nC: d\r\n\r\n",
        "0\r\nContent-Length: 5\r\n\r\n",
    ],
    odd: &[
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5;\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        ";a\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n",
        "5\r\nhello\r\n0\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello\r\n0\n\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\n A: b\r\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\nA: b\n\r\n",
    ],
};
const PLAIN: Table = Table {
    good: &["hello"],
    odd: &["hell", "hello!", "", "5\r\nhello\r\n0\r\n\r\n", "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"],
};

/// Bytes that parsers have tripped over.
const NASTY: &[u8] = b"\r\n\0\t :,;0159afxX+-_.\"%#/\\\x0b\x0c\x7f\x80\xff\x85\xa0";

/// One to three requests in a row.
pub fn requests(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.pick(&[1, 1, 1, 2, 3]) {
        let line = [METHODS.pick(random), " ", TARGETS.pick(random), VERSIONS.pick(random), "\r\n"].concat();
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(HOSTS.pick(random).as_bytes());
        push_rest(random, &mut bytes);
    }
    bent(random, bytes)
}

/// A response, perhaps behind interim ones.
pub fn response(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.pick(&[0, 0, 0, 0, 1, 2]) {
        bytes.extend_from_slice(
            random.pick(&[&b"HTTP/1.1 100 Continue\r\n\r\n"[..], b"HTTP/1.1 103 x\r\nA: b\r\n\r\n"]),
        );
    }
    bytes.extend_from_slice([PROTOCOLS.pick(random), STATUSES.pick(random), "\r\n"].concat().as_bytes());
    push_rest(random, &mut bytes);
    bent(random, bytes)
}

/// Fields and body. One in two has the body that its framing announces.
fn push_rest(random: &mut Random, bytes: &mut Vec<u8>) {
    let framing = FRAMINGS.pick(random);
    let mut fields = vec![framing];
    for _ in 0..random.pick(&[0, 0, 1, 1, 2, 3]) {
        fields.insert(random.below(fields.len() + 1), OTHERS.pick(random));
    }
    bytes.extend_from_slice(fields.concat().as_bytes());
    bytes.extend_from_slice(b"\r\n");
    let fitting = random.below(2) == 0;
    let body = match (fitting, random.below(2)) {
        (true, _) if framing.to_lowercase().contains("chunked") => random.pick(CHUNKS.good),
        (true, _) if framing.contains('5') => "hello",
        (true, _) => "",
        (false, 0) => CHUNKS.pick(random),
        (false, _) => PLAIN.pick(random),
    };
    bytes.extend_from_slice(body.as_bytes());
}

/// Half of the messages stay as they are; the others are bent in up to three places.
fn bent(random: &mut Random, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..random.pick(&[0, 0, 0, 1, 1, 2, 3]) {
        if bytes.len() < 2 {
            break;
        }
        let at = random.below(bytes.len());
        let nasty = random.pick(NASTY);
        match random.below(9) {
            0 => bytes[at] = nasty,
            1 | 2 => bytes.insert(at, nasty),
            3 => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            5 => bytes.swap(at, random.below(at.max(1))),
            6 => double(random, &mut bytes, at),
            7 => strip_line_end(&mut bytes, at),
            _ => bytes[at] ^= 0x20,
        }
    }
    bytes
}

/// Repeats up to 30 bytes.
fn double(random: &mut Random, bytes: &mut Vec<u8>, at: usize) {
    let end = bytes.len().min(at + 1 + random.below(30));
    let copy = bytes[at..end].to_vec();
    bytes.splice(end..end, copy);
}

/// Makes a bare LF, or a bare CR, of the next line end.
fn strip_line_end(bytes: &mut Vec<u8>, at: usize) {
    if let Some(found) = bytes[at..].windows(2).position(|pair| pair == b"\r\n") {
        bytes.remove(at + found + at % 2);
    }
}
