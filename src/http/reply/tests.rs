//! Every reason as an answer, and what an attacker can put into one.

use super::*;

const KINDS: [PageKind; 3] = [PageKind::Html, PageKind::Json, PageKind::Text];

/// Tries to leave a header, a tag, an attribute, a string and a line of a terminal.
const ATTACK: &str = "evil\"'>\r\nSet-Cookie: a=b\r\n\r\n<script>alert(1)</script>\u{1b}[2J\u{202e}{{ 7*7 }}\\\0";

fn facts(wants: PageKind) -> ReplyFacts<'static> {
    ReplyFacts {
        wants,
        exchange_id: "w1-2a-7",
        destination: "www.example:443",
        connection: ConnectionFate::KeepAlive,
        retry_after: None,
        rule: "",
        body: ReplyBody::Full,
    }
}

/// A reply taken apart by a parser that is not ours.
struct Parsed {
    status: u16,
    fields: Vec<(String, String)>,
    body: String,
}

impl Parsed {
    fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} stands twice");
        value
    }
}

fn parsed(reply: &[u8]) -> Parsed {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    let head = response.parse(reply).expect("not HTTP").unwrap();
    assert_eq!(response.version, Some(1));
    assert!(!response.reason.unwrap().is_empty() && response.reason != Some("Error"), "{:?}", response.code);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Parsed {
        status: response.code.unwrap(),
        fields: response.headers.iter().map(|field| (field.name.to_owned(), text(field.value))).collect(),
        body: text(&reply[head..]),
    }
}

fn answered() -> impl Iterator<Item = Reason> {
    Reason::all().filter(|reason| reason.status().is_some())
}

#[test]
fn every_reason_with_a_status_is_a_whole_answer_in_every_form() {
    assert!(answered().count() > 20);
    for reason in answered() {
        for wants in KINDS {
            let reply = parsed(&error_reply(reason, &facts(wants)));
            assert_eq!(Some(reply.status), reason.status());
            assert_eq!(reply.field("Content-Length"), Some(reply.body.len().to_string().as_str()));
            assert_eq!(reply.field("Content-Type"), Some(wants.content_type()));
            assert_eq!(reply.field("Cache-Control"), Some("no-store"));
            assert_eq!(reply.field("X-Content-Type-Options"), Some("nosniff"));
            assert_eq!(reply.field("X-Tether-Id"), Some("w1-2a-7"));
            assert_eq!(reply.field("Connection"), Some("keep-alive"));
            assert_eq!(reply.field("Retry-After").is_some(), matches!(reply.status, 429 | 503), "{reason:?}");
            assert_eq!(reply.field("Content-Security-Policy").is_some(), wants == PageKind::Html);
            let shown = reply.body.replace("&#x27;", "'").replace("&#x2f;", "/");
            for told in ["www.example:443", "w1-2a-7", reason.text()] {
                assert!(shown.contains(told), "{told} in {shown}");
            }
        }
    }
}

#[test]
fn a_reason_without_a_status_has_no_answer() {
    let mut silent = 0;
    for reason in Reason::all().filter(|reason| reason.status().is_none()) {
        assert!(error_reply(reason, &facts(PageKind::Html)).is_empty(), "{reason:?}");
        silent += 1;
    }
    assert!(silent > 0);
}

#[test]
fn proxy_status_names_the_error_and_says_it_in_words() {
    let reply = parsed(&error_reply(Reason::DestinationDenied, &facts(PageKind::Text)));
    let expected = "tether; error=destination_ip_prohibited; details=\"Connections to that address are not allowed.\"";
    assert_eq!(reply.field("Proxy-Status"), Some(expected));
}

#[test]
fn structured_strings_cannot_be_left() {
    assert_eq!(sf_string("plain"), "\"plain\"");
    assert_eq!(sf_string("a\"b\\c"), "\"a\\\"b\\\\c\"");
    assert_eq!(sf_string("ä\r\n\u{7f}"), "\"????\"");
}

#[test]
fn json_parses_and_says_the_same() {
    let reply = parsed(&error_reply(Reason::ConnectRefused, &facts(PageKind::Json)));
    let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    let expected = serde_json::json!({
        "error": "connect_refused",
        "status": 502,
        "text": "The server refused the connection.",
        "destination": "www.example:443",
        "id": "w1-2a-7",
    });
    assert_eq!(body, expected);
}

#[test]
fn head_only_is_the_same_head_without_the_body() {
    for wants in KINDS {
        let full = error_reply(Reason::NameNotFound, &facts(wants));
        let head = error_reply(Reason::NameNotFound, &ReplyFacts { body: ReplyBody::HeadOnly, ..facts(wants) });
        assert!(head.ends_with(b"\r\n\r\n") && head.len() < full.len());
        assert!(full.starts_with(&head));
        assert_eq!(parsed(&head).body, "");
        assert_ne!(parsed(&head).field("Content-Length"), Some("0"));
    }
}

#[test]
fn the_fate_of_the_connection_is_told() {
    let closing = ReplyFacts { connection: ConnectionFate::Close, ..facts(PageKind::Text) };
    assert_eq!(parsed(&error_reply(Reason::BadRequest, &closing)).field("Connection"), Some("close"));
}

#[test]
fn the_destination_cannot_leave_the_page() {
    let attacked = ReplyFacts { destination: ATTACK, ..facts(PageKind::Html) };
    let reply = parsed(&error_reply(Reason::NameNotFound, &attacked));
    assert!(!reply.body.contains("<script") && !reply.body.contains("\"'>"));
    assert!(reply.body.contains("&lt;script&gt;alert(1)&lt;"), "{}", reply.body);
    assert!(reply.body.contains("{{ 7*7 }}"), "the destination is data and no template");
    assert!(reply.body.ends_with("</html>\n") || reply.body.ends_with("</html>"));
}

#[test]
fn no_form_repeats_control_characters_or_new_headers() {
    for wants in KINDS {
        let attacked = ReplyFacts { destination: ATTACK, exchange_id: ATTACK, ..facts(wants) };
        let reply = parsed(&error_reply(Reason::NameNotFound, &attacked));
        assert_eq!(reply.field("Set-Cookie"), None);
        let shown = reply.body.chars().filter(|character| *character != '\n');
        assert_eq!(shown.filter(|character| character.is_control() || *character == '\u{202e}').count(), 0);
        assert!(!reply.body.contains("\nSet-Cookie"), "{}", reply.body);
    }
}

#[test]
fn a_destination_without_end_is_cut() {
    let endless = "ä".repeat(100_000);
    let facts = ReplyFacts { destination: &endless, ..facts(PageKind::Text) };
    let reply = parsed(&error_reply(Reason::NameNotFound, &facts));
    assert!(reply.body.contains('…') && reply.body.len() < 1_000);
    assert_eq!(legible(&"a".repeat(LONGEST_DESTINATION)), "a".repeat(LONGEST_DESTINATION));
}

#[test]
fn a_page_says_whose_doing_it_was() {
    let page = |reason| parsed(&error_reply(reason, &facts(PageKind::Html))).body;
    assert!(page(Reason::BadRequest).contains("came from your side."));
    assert!(page(Reason::ConnectRefused).contains("The site, its name or the way to it is the reason."));
    assert!(page(Reason::PortDenied).contains("A rule of this proxy is the reason."));
    assert!(page(Reason::Drained).contains("This proxy is the reason."));
    assert!(page(Reason::NameNotFound).contains("Check the spelling of the address."));
}

#[test]
fn an_unknown_destination_is_left_out() {
    for wants in [PageKind::Html, PageKind::Text] {
        let facts = ReplyFacts { destination: "", ..facts(wants) };
        assert!(!parsed(&error_reply(Reason::BadRequest, &facts)).body.contains("Destination"));
    }
}
