//! A digit that picks the request, then any bytes as a response head: what goes on to the client is flawless and means
//! what was read.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tether::http::body::BodyFormat;
use tether::http::framing::{BodyFraming, Version};
use tether::http::method::Method;
use tether::http::request::{Request, read_request};
use tether::http::response::{ClientConnection, Response, ResponseKind, read_response};
use tether_fuzz::{US, Written};

/// The requests that are answered, each with what may become of the client connection.
static ASKED: LazyLock<Vec<(Request, ClientConnection)>> = LazyLock::new(|| {
    let ask =
        |head: &str| read_request(head.as_bytes(), None, US, &mut Vec::new()).expect("good").expect("whole").request;
    let get = "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n";
    vec![
        (ask(get), ClientConnection::MayStay),
        (ask(get), ClientConnection::MustClose),
        (ask("HEAD http://h/ HTTP/1.1\r\nHost: h\r\n\r\n"), ClientConnection::MayStay),
        (ask("GET http://h/ HTTP/1.0\r\n\r\n"), ClientConnection::MayStay),
        (ask("GET http://h/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), ClientConnection::MayStay),
        (
            ask("GET http://h/ HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
            ClientConnection::MayStay,
        ),
    ]
});

fuzz_target!(|input: &[u8]| {
    let Some((pick, input)) = input.split_first() else { return };
    let (request, client) = &ASKED[usize::from(*pick) % ASKED.len()];
    let mut out = Vec::new();
    let Ok(Some((length, response))) = read_response(input, request, *client, US, &mut out) else {
        assert!(out.is_empty(), "nothing goes on of what was not read");
        return;
    };
    only_the_head_counts(&input[..length], request, *client, &out);
    if response.kind == ResponseKind::Interim && request.version == Version::Http10 {
        assert!(out.is_empty(), "HTTP/1.0 knows no interim responses");
        return;
    }
    goes_on_as_read(request, *client, &response, &out);
});

/// Neither what follows the head nor how it arrives changes what it is read as.
fn only_the_head_counts(head: &[u8], request: &Request, client: ClientConnection, out: &[u8]) {
    assert!(head.ends_with(b"\r\n\r\n"));
    let mut alone = Vec::new();
    let (length, _) = read_response(head, request, client, US, &mut alone).expect("good").expect("whole");
    assert_eq!((length, alone.as_slice()), (head.len(), out));
    let line_ends = head.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    for cut in line_ends.chain([head.len() / 2, head.len() - 1]) {
        let part = read_response(&head[..cut], request, client, US, &mut alone);
        assert!(matches!(part, Ok(None)), "read before its end, at {cut}");
    }
    assert_eq!(alone, out, "a part of a head wrote something");
}

fn goes_on_as_read(request: &Request, client: ClientConnection, response: &Response, out: &[u8]) {
    let written = Written::take_apart(out);
    written.assert_fit_to_pass_on();
    assert!(written.start.starts_with(format!("HTTP/1.1 {} ", response.status).as_bytes()), "{written:?}");
    if matches!(response.status, 100..=199 | 204) {
        assert!(written.values("content-length").is_empty() && written.values("transfer-encoding").is_empty());
    }
    if request.version == Version::Http10 {
        assert!(written.values("transfer-encoding").is_empty(), "HTTP/1.0 knows no chunks");
    }
    assert!(response.kind == ResponseKind::Switching || written.values("upgrade").is_empty());
    assert_eq!(written.values("connection"), expected_connection(request, response), "{written:?}");

    // As many fields as we read, and those we add, may be more than we read.
    let Ok(again) = read_response(out, request, client, "reader", &mut Vec::new()) else {
        assert!(written.fields.len() > tether::http::head::MAX_RESPONSE_FIELDS, "what we write is strict: {written:?}");
        return;
    };
    let (length, again) = again.expect("whole");
    assert_eq!((length, again.kind, again.status), (out.len(), response.kind, response.status));
    assert_eq!(again.framing, framing_for_the_client(response), "{written:?}");
    assert_eq!(again.format, response.format);
    if request.method == Method::Head || response.framing == BodyFraming::None {
        assert_eq!(response.format, BodyFormat::Plain);
    }
}

fn expected_connection(request: &Request, response: &Response) -> Vec<&'static [u8]> {
    match response.kind {
        ResponseKind::Interim => vec![],
        ResponseKind::Switching => vec![b"Upgrade"],
        ResponseKind::Final if !response.client_keep_alive => vec![b"close"],
        ResponseKind::Final if request.version == Version::Http10 => vec![b"keep-alive"],
        ResponseKind::Final => vec![],
    }
}

/// How a strict client reads what we wrote.
fn framing_for_the_client(response: &Response) -> BodyFraming {
    match (response.framing, response.format) {
        (BodyFraming::Chunked, BodyFormat::Plain) => BodyFraming::UntilClose,
        (framing, _) => framing,
    }
}
