//! The servers, what they do, and what comes of it.

use crate::icap::server::{Ask, GO_ON, PREVIEW, UNCHANGED, replace, whole};
use crate::inspect_icap::replaced;
use crate::support::script::Visit;

/// What the client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gets {
    /// The body of the origin.
    Original,
    /// What the service put in its place: status and body.
    Other(u16, &'static str),
    /// The page that says that it could not be scanned.
    Refusal,
}

use Gets::{Original, Other, Refusal};

/// The page of c-icap.
const BLOCKED: Gets = Other(403, "VIRUS");

/// What a server does with a message; `whole` has not been called yet.
pub type Server = fn(&mut Visit, Ask);

/// What it is called, what options tell, what the server does, what the client gets.
pub type Row = (&'static str, &'static str, Server, Gets);

fn says(visit: &mut Visit, ask: Ask, words: impl AsRef<[u8]>) {
    whole(visit, ask);
    visit.send(words);
}

/// c-icap's block page, with these fields in front.
fn c_icap(fields: &str) -> String {
    let page = "HTTP/1.0 403 Forbidden\r\nServer: C-ICAP\r\nConnection: close\r\nContent-Type: text/html\r\n\r\n";
    replace(page, "5\r\nVIRUS\r\n0\r\n\r\n").replacen("ISTag", &format!("{fields}ISTag"), 1)
}

const FOLDED: &str = "X-Infection-Found: Type=0; Resolution=2; Threat=Eicar;\r\n\
    X-Violations-Found: 1\r\n\t-\r\n\tEicar\r\n\t0\r\n\t0\r\n";

/// Every quirk, by its number there.
pub const ROWS: &[Row] = &[
    ("Q1 folded fields", PREVIEW, |visit, ask| says(visit, ask, c_icap(FOLDED)), BLOCKED),
    (
        "Q2 201",
        PREVIEW,
        |visit, ask| {
            says(
                visit,
                ask,
                replace("HTTP/1.1 200 OK\r\n\r\n", "2\r\nok\r\n0\r\n\r\n").replacen("200 OK", "201 Created", 1),
            )
        },
        Other(200, "ok"),
    ),
    ("Q3 100, then 204", PREVIEW, |visit, ask| says(visit, ask, UNCHANGED), Original),
    (
        "Q4 100 twice",
        PREVIEW,
        |visit, ask| {
            visit.send(GO_ON);
            says(visit, ask, UNCHANGED)
        },
        Original,
    ),
    (
        "Q4 100 without a preview",
        "",
        |visit, ask| {
            visit.send(GO_ON);
            says(visit, ask, UNCHANGED)
        },
        Original,
    ),
    (
        "Q4 100 without end",
        PREVIEW,
        |visit, _| {
            visit.send(GO_ON.repeat(5));
        },
        Refusal,
    ),
    (
        "Q6 no heads",
        PREVIEW,
        |visit, ask| says(visit, ask, "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, null-body=0\r\n\r\n"),
        Original,
    ),
    ("Q7 no Encapsulated in errors", PREVIEW, |visit, ask| says(visit, ask, "ICAP/1.0 500 No\r\n\r\n"), Refusal),
    ("Q8 no tag", PREVIEW, |visit, ask| says(visit, ask, "ICAP/1.0 204 Unmodified\r\n\r\n"), Original),
    (
        "Q8 a tag without quotes",
        PREVIEW,
        |visit, ask| says(visit, ask, "ICAP/1.0 204 Unmodified\r\nISTag: abc-def\r\n\r\n"),
        Original,
    ),
    (
        "Q10 Allow with more",
        "Allow: 204, 206, trailers\r\nPreview: 10\r\nTransfer-Preview: *\r\n",
        |visit, ask| says(visit, ask, UNCHANGED),
        Original,
    ),
    (
        "Q11 Max-Connections 0",
        "Max-Connections: 0\r\nPreview: 10\r\n",
        |visit, ask| says(visit, ask, UNCHANGED),
        Original,
    ),
    (
        "Q12 closes without a word",
        PREVIEW,
        |visit, ask| {
            says(visit, ask, UNCHANGED);
            visit.finish()
        },
        Original,
    ),
    (
        "Q13 more than the answer",
        PREVIEW,
        |visit, ask| says(visit, ask, [UNCHANGED, "ICAP/1.0 200 OK\r\n\r\n"].concat()),
        Original,
    ),
    (
        "Q14 line feeds alone",
        PREVIEW,
        |visit, ask| says(visit, ask, "ICAP/1.0 204 Unmodified\nISTag: \"x\"\n\n"),
        Original,
    ),
    (
        "Q15 byte by byte",
        PREVIEW,
        |visit, ask| {
            whole(visit, ask);
            for byte in c_icap("").bytes() {
                visit.send([byte]);
            }
        },
        BLOCKED,
    ),
    (
        "Q16 early 204",
        PREVIEW,
        |visit, _| {
            visit.send(UNCHANGED);
        },
        Original,
    ),
    (
        "Q16 early page",
        PREVIEW,
        |visit, _| {
            visit.send(c_icap(""));
        },
        BLOCKED,
    ),
    (
        "Q16 early 403",
        PREVIEW,
        |visit, _| {
            visit.send("ICAP/1.0 403 Forbidden\r\n\r\n");
        },
        Refusal,
    ),
    (
        "Q17 the end before the length",
        PREVIEW,
        |visit, ask| {
            says(visit, ask, replace("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", "5\r\nooooo\r\n0\r\n\r\n"))
        },
        Refusal,
    ),
    ("Q18 a page without a length", PREVIEW, |visit, ask| says(visit, ask, c_icap("")), BLOCKED),
    (
        "Q19 fields of one hop",
        PREVIEW,
        |visit, ask| {
            says(
                visit,
                ask,
                replace(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: X-A\r\nX-A: 1\r\nUpgrade: h2c\r\n\r\n",
                    "2\r\nok\r\n0\r\n\r\n",
                ),
            )
        },
        Other(200, "ok"),
    ),
    (
        "Q19 two framings",
        PREVIEW,
        |visit, ask| {
            says(
                visit,
                ask,
                replace(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
                    "2\r\nok\r\n0\r\n\r\n",
                ),
            )
        },
        Refusal,
    ),
    (
        "Q20 a length of before",
        PREVIEW,
        |visit, ask| {
            says(visit, ask, replace("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "4\r\nmore\r\n0\r\n\r\n"))
        },
        Refusal,
    ),
    (
        "Q22 its own trouble as a page",
        PREVIEW,
        |visit, ask| says(visit, ask, replace("HTTP/1.1 500 Scan error\r\n\r\n", "0\r\n\r\n")),
        Refusal,
    ),
    (
        "Q23 408",
        PREVIEW,
        |visit, ask| {
            whole(visit, ask);
            visit.send(if visit.number == 0 { "ICAP/1.0 408 Timeout\r\nConnection: close\r\n\r\n" } else { UNCHANGED });
            if visit.number == 0 {
                visit.finish()
            }
        },
        Original,
    ),
    (
        "Q24 never answers",
        PREVIEW,
        |visit, ask| {
            whole(visit, ask);
        },
        Refusal,
    ),
    (
        "Q25 resets",
        PREVIEW,
        |visit, ask| {
            whole(visit, ask);
            visit.reset()
        },
        Refusal,
    ),
    (
        "Q26 a head without an end",
        PREVIEW,
        |visit, ask| says(visit, ask, format!("ICAP/1.0 200 OK\r\nX: {}", "x".repeat(1 << 20))),
        Refusal,
    ),
    ("Q26 a head that stops", PREVIEW, |visit, ask| says(visit, ask, "ICAP/1.0 200 OK\r\nX:"), Refusal),
    (
        "Q27 a bad chunk size",
        PREVIEW,
        |visit, ask| says(visit, ask, replace("HTTP/1.1 200 OK\r\n\r\n", "-2\r\nok\r\n0\r\n\r\n")),
        Refusal,
    ),
    (
        "Q27 a huge chunk size",
        PREVIEW,
        |visit, ask| says(visit, ask, replace("HTTP/1.1 200 OK\r\n\r\n", "8000000000000000\r\nok\r\n0\r\n\r\n")),
        Refusal,
    ),
    (
        "Q27 a huge extension",
        PREVIEW,
        |visit, ask| {
            says(
                visit,
                ask,
                replace("HTTP/1.1 200 OK\r\n\r\n", &format!("2;{}\r\nok\r\n0\r\n\r\n", "x".repeat(200_000))),
            )
        },
        Refusal,
    ),
    (
        "Q28 offsets past the end",
        PREVIEW,
        |visit, ask| {
            says(
                visit,
                ask,
                "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=400\r\n\r\nHTTP/1.1 200 OK\r\n\r\n0\r\n\r\n",
            )
        },
        Refusal,
    ),
    (
        "Q28 offsets within the head",
        PREVIEW,
        |visit, ask| {
            says(
                visit,
                ask,
                "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=10\r\n\r\nHTTP/1.1 200 OK\r\n\r\n0\r\n\r\n",
            )
        },
        Refusal,
    ),
    (
        "Q28 descending offsets",
        PREVIEW,
        |visit, ask| {
            says(
                visit,
                ask,
                "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=19, res-body=0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n0\r\n\r\n",
            )
        },
        Refusal,
    ),
    (
        "Q28 negative offsets",
        PREVIEW,
        |visit, ask| {
            says(
                visit,
                ask,
                "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=-19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n0\r\n\r\n",
            )
        },
        Refusal,
    ),
    (
        "Q28 a request for a response",
        PREVIEW,
        |visit, ask| says(visit, ask, replaced("GET http://127.0.0.1/ HTTP/1.1\r\nHost: x\r\n\r\n", b"")),
        Refusal,
    ),
    (
        "206 that was not asked for",
        PREVIEW,
        |visit, ask| {
            says(
                visit,
                ask,
                replace("HTTP/1.1 200 OK\r\n\r\n", "2\r\nok\r\n0; use-original-body=0\r\n\r\n").replacen(
                    "200 OK",
                    "206 Partial",
                    1,
                ),
            )
        },
        Refusal,
    ),
    ("status 1000", PREVIEW, |visit, ask| says(visit, ask, "ICAP/1.0 1000 OK\r\n\r\n"), Refusal),
    (
        "an empty field name inside",
        PREVIEW,
        |visit, ask| says(visit, ask, replace("HTTP/1.1 200 OK\r\n: x\r\n\r\n", "2\r\nok\r\n0\r\n\r\n")),
        Refusal,
    ),
    ("100 behind 204", PREVIEW, |visit, ask| says(visit, ask, [UNCHANGED, GO_ON].concat()), Original),
    ("Q30 418", PREVIEW, |visit, ask| says(visit, ask, "ICAP/1.0 418 Bad composition\r\n\r\n"), Refusal),
    ("Q30 506", PREVIEW, |visit, ask| says(visit, ask, "ICAP/1.0 506 Too busy\r\n\r\n"), Refusal),
    ("Q30 539", PREVIEW, |visit, ask| says(visit, ask, "ICAP/1.0 539 No licence\r\n\r\n"), Refusal),
    ("Q30 558", PREVIEW, |visit, ask| says(visit, ask, "ICAP/1.0 558 No licence\r\n\r\n"), Refusal),
];
