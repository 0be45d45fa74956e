//! Commands that look into a running proxy more closely, or change it.

use std::thread::JoinHandle;

use super::*;

/// An admin port for one request, which it gives back.
pub(super) fn asked(status: &str, body: &str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address").to_string();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accept");
        let mut request = String::new();
        while !is_whole(&request) {
            let mut part = [0; 1024];
            let read = stream.read(&mut part).expect("request");
            assert!(read > 0, "cut: {request}");
            request.push_str(std::str::from_utf8(&part[..read]).expect("text"));
        }
        stream.write_all(answer.as_bytes()).expect("answer");
        request
    });
    (address, server)
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    length.is_none_or(|length| length.parse() == Ok(body.len()))
}

/// Runs `words` against an admin port that answers so; gives back the request line and body as well.
pub(super) fn against(words: &[&str], status: &str, body: &str) -> (Ended, String, String) {
    let (address, server) = asked(status, body);
    let ended = tether(&[words, &["--admin", &address]].concat(), &[]);
    let request = server.join().expect("server");
    let line = request.lines().next().unwrap_or_default().to_owned();
    let sent = request.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    (ended, line, sent)
}

const HOLDS: &str = r#""holds":{"telling":10000,"plain":1000,"kept":1000}"#;

fn one_end() -> String {
    let end = r#"{"id":"17-1","entry":"exchange","at":"2026-11-21T12:00:07.120Z","destination":"a.example:80",
        "closed_by":"upstream","manner":"fin","client":"192.0.2.7:50123","listener":"office","kind":"http",
        "reason":"response_cut","told":["The origin closed first (FIN), after 12 ms without a byte.","More."]}"#;
    format!("{{\"ends\":[{end}],\"total\":1,{HOLDS}}}")
}

#[test]
fn why_something_ended_is_told_under_both_names() {
    let expected = "\
17-1  2026-11-21T12:00:07.120Z  http from 192.0.2.7:50123 by office to a.example:80: response_cut
  The origin closed first (FIN), after 12 ms without a byte.
  More.
";
    for words in [&["explain-close", "17-1"][..], &["streams", "why", "17-1"]] {
        let (ended, line, _) = against(words, "200 OK", &one_end());
        assert_eq!((ended.exit, ended.out.as_str(), ended.err.as_str()), (Exit::Done, expected, ""));
        assert_eq!(line, "GET /api/v1/ends?id=17-1&limit=100000 HTTP/1.1");
    }
    let (ended, ..) = against(&["explain-close", "17", "--json"], "200 OK", &one_end());
    assert_eq!((ended.exit, ended.out), (Exit::Done, one_end() + "\n"));
}

#[test]
fn an_id_that_is_not_known_fails_and_says_how_far_the_ring_goes() {
    let nothing = format!("{{\"ends\":[],\"total\":0,{HOLDS}}}");
    let (ended, ..) = against(&["explain-close", "17"], "200 OK", &nothing);
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Failed, ""));
    for part in ["the id 17 has", "the last 10000 ends", "the last 1000;"] {
        assert!(ended.err.contains(part), "{}", ended.err);
    }
    let (ended, ..) = against(&["explain-close", "17", "--json"], "200 OK", &nothing);
    assert_eq!((ended.exit, ended.out), (Exit::Failed, nothing + "\n"));
}

const RULE: &str = r#"{"name":"livesport-pair","per":"pair","exchanges":10,"streams":4,"over":"queue","mode":"simulate",
    "edited":true,"in_use":{"exchanges":4,"streams":1},"peak":{"exchanges":9,"streams":2},"queued":0,
    "rejections":{"streams":3},"would_reject":0,"evictions":0"#;

#[test]
fn limits_are_listed() {
    let holders =
        r#","holders":[{"holder":"a","exchanges":4,"streams":1,"queued":0,"peak":{"exchanges":9,"streams":2}}]}"#;
    let page = format!("{{\"mode\":\"enforce\",\"rules\":[{RULE}{holders}],\"rates\":[]}}");
    let (ended, line, _) = against(&["limits", "list", "--top", "3"], "200 OK", &page);
    let expected = "\
limits: enforce
RULE                                PER   HOLDER  EXCHANGES  PEAK  STREAMS  PEAK  QUEUED
livesport-pair (simulate) (edited)  pair  a            4/10     9      1/4     2       0
livesport-pair: refused 3 (streams)
";
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Done, expected));
    assert_eq!(line, "GET /api/v1/limits?top=3 HTTP/1.1");
    let (ended, ..) = against(&["limits", "list", "--json"], "200 OK", &page);
    assert_eq!(ended.out, page + "\n");
}

#[test]
fn limits_are_changed() {
    let changed = format!("{{\"mode\":\"enforce\",\"rule\":{RULE}}}}}");
    let words = [
        "limits",
        "set",
        "livesport-pair",
        "--exchanges",
        "10",
        "--streams",
        "4",
        "--over",
        "queue",
        "--mode",
        "simulate",
    ];
    let (ended, line, sent) = against(&words, "200 OK", &changed);
    let expected = "livesport-pair: exchanges 10, streams 4, over queue, mode simulate\n";
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Done, expected));
    assert_eq!(line, "PUT /api/v1/limits HTTP/1.1");
    let sent: serde_json::Value = serde_json::from_str(&sent).expect("JSON");
    let whole = serde_json::json!({
        "name": "livesport-pair", "exchanges": 10, "streams": 4, "over": "queue", "mode": "simulate",
    });
    assert_eq!(sent, whole);

    let (_, _, sent) = against(&["limits", "set", "a", "--over", "evict_oldest_idle"], "200 OK", &changed);
    assert_eq!(sent, r#"{"name":"a","over":"evict_oldest_idle"}"#);
}

#[test]
fn all_limits_are_switched() {
    let (ended, _, sent) = against(&["limits", "mode", "off"], "200 OK", r#"{"mode":"off","rule":null}"#);
    assert_eq!((ended.exit, ended.out.as_str(), sent.as_str()), (Exit::Done, "limits: off\n", r#"{"mode":"off"}"#));
}

#[test]
fn what_the_admin_port_says_against_it_is_passed_on() {
    let (ended, ..) = against(&["limits", "mode", "off"], "403 Forbidden", r#"{"error":"not\u001b from here"}"#);
    assert_eq!(ended.exit, Exit::Failed);
    assert!(ended.err.ends_with(" answered 403: not\u{fffd} from here\n"), "{}", ended.err);
}

#[test]
fn a_reload_says_what_it_did() {
    let done = r#"{"generation":7,"needs_restart":["workers","forward.bind"]}"#;
    let (ended, line, _) = against(&["reload"], "200 OK", done);
    let expected = "\
reloaded: generation 7
`workers` has changed and takes effect only after a restart
`forward.bind` has changed and takes effect only after a restart
";
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Done, expected));
    assert_eq!(line, "POST /api/v1/reload HTTP/1.1");
}

#[test]
fn a_reload_of_bad_files_has_status_78_and_the_whole_diagnostic() {
    let (ended, ..) = against(&["reload"], "422 No", r#"{"error":"error: x\n --> t.toml:3:1\n  | ^^^^\n"}"#);
    let expected = "error: x\n --> t.toml:3:1\n  | ^^^^\n\nThe settings in use stay as they were.\n";
    assert_eq!((ended.exit, ended.err.as_str(), ended.out.as_str()), (Exit::BadConfig, expected, ""));
}

#[test]
fn origins_are_listed() {
    let page = r#"{"origins":[{"authority":"a.example:80","closes_after_ms":5000,"stale_failures":0,
        "quarantined_for_ms":null}],"total":1}"#;
    let (ended, line, _) = against(&["origins"], "200 OK", page);
    let expected = "\
ORIGIN        CLOSES AFTER  STALE FAILURES  NOT REUSED FOR
a.example:80          5.0s               0               -
";
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Done, expected));
    assert_eq!(line, "GET /api/v1/origins HTTP/1.1");
}
