//! Tests of the access log: golden lines, hostile text, and sinks that do not take lines.

use std::io::{BufRead, BufReader};
use std::time::UNIX_EPOCH;

use super::escape::FIELD_LIMIT;
use super::*;
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::observe::live::{Kind, LiveTable};

/// Far longer than anything here takes; only a fault waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

struct Case {
    row: Arc<Row>,
    record: Record,
    end: End,
}

impl Case {
    /// A GET that took 1.5 s and ended by the client's FIN.
    fn new() -> Case {
        let table = LiveTable::new(Instant::now());
        let client = "192.0.2.7:50123".parse().expect("address");
        let row = table.insert(42, client, "office".into(), &"".into());
        let mut record = Record::new(Instant::now(), "www.example.com:8080".into());
        record.began_at = UNIX_EPOCH + Duration::from_millis(1_795_230_245_678);
        record.number = 3;
        record.method = "GET".into();
        record.url = "http://www.example.com:8080/a?b=c".into();
        record.status = 200;
        record.dns = Some(Duration::from_micros(1250));
        record.connect = Some(Duration::from_millis(7));
        record.first_byte = Some(Duration::from_micros(20_001));
        let end = End {
            reason: Reason::ClientFin,
            phase: Phase::ResponseBody,
            cancel_latency: Some(Duration::from_micros(54)),
            bytes_in: 310,
            bytes_out: 70_123,
        };
        Case { row, record, end }
    }

    fn line(&self, format: AccessFormat) -> String {
        let mut line = Vec::new();
        let now = self.record.began + Duration::from_millis(1500);
        Exchange::new(&self.row, &self.record, &self.end, now).render(format, &mut line).expect("rendered");
        String::from_utf8(line).expect("UTF-8")
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.line(AccessFormat::Json)).expect("JSON")
    }

    fn write_to(&self, log: &AccessLog) {
        log.write(&self.row, &self.record, &self.end);
    }
}

#[test]
fn the_json_line() {
    let expected = concat!(
        r#"{"ts":"2026-11-21T03:04:07.178Z","id":"42-3","client":"192.0.2.7:50123","listener":"office","#,
        r#""method":"GET","url":"http://www.example.com:8080/a?b=c","host":"www.example.com","port":8080,"#,
        r#""status":200,"bytes_in":310,"bytes_out":70123,"dur_ms":1500.0,"dns_ms":1.25,"connect_ms":7.0,"#,
        r#""ttfb_ms":20.001,"mode":"plain","upstream_reused":false,"retried":false,"phase":"response_body","#,
        r#""closed_by":"client","reason":"client_fin","cancel_ms":0.054}"#,
        "\n",
    );
    assert_eq!(Case::new().line(AccessFormat::Json), expected);
}

#[test]
fn what_is_not_known_is_null() {
    let mut case = Case::new();
    case.record = Record { number: 1, ..Record::new(Instant::now(), "".into()) };
    case.end.cancel_latency = None;
    let line = case.json();
    for key in ["port", "dns_ms", "connect_ms", "ttfb_ms", "cancel_ms"] {
        assert!(line[key].is_null(), "{key}");
    }
    assert_eq!((&line["host"], &line["url"]), (&"".into(), &"".into()));
    assert_eq!(line["status"], 0);
}

#[test]
fn modes_and_destinations() {
    let mut case = Case::new();
    for (kind, mode) in [(Kind::Tunnel, "tunnel"), (Kind::Upgrade, "upgrade"), (Kind::Http, "plain")] {
        case.row.set_kind(kind);
        assert_eq!(case.json()["mode"], mode);
    }
    for (destination, host, port) in [
        ("[2001:db8::1]:443", "2001:db8::1", Some(443)),
        ("a.example:1", "a.example", Some(1)),
        ("a.example", "a.example", None),
        ("a.example:99999", "a.example", None),
    ] {
        case.record.destination = destination.into();
        let line = case.json();
        assert_eq!((&line["host"], &line["port"]), (&host.into(), &port.into()), "{destination}");
    }
}

#[test]
fn the_squid_line() {
    let mut case = Case::new();
    let get = "1795230247.178   1500 192.0.2.7 TCP_MISS_ABORTED/200 70123 GET \
        http://www.example.com:8080/a?b=c - HIER_DIRECT/www.example.com -\n";
    assert_eq!(case.line(AccessFormat::Squid), get);

    case.row.set_kind(Kind::Tunnel);
    case.record.method = "CONNECT".into();
    case.record.url = "www.example.com:443".into();
    case.end.reason = Reason::Done;
    let connect = "1795230247.178   1500 192.0.2.7 TCP_TUNNEL/200 70123 CONNECT www.example.com:443 - \
        HIER_DIRECT/www.example.com -\n";
    assert_eq!(case.line(AccessFormat::Squid), connect);
}

#[test]
fn squid_result_codes_of_requests_that_never_left() {
    let mut case = Case::new();
    case.record.connect = None;
    for (reason, status, result) in [
        (Reason::DestinationDenied, 403, " TCP_DENIED/403 "),
        (Reason::NameNotFound, 502, " TCP_MISS/502 "),
        (Reason::ClientReset, 0, " NONE_NONE/000 "),
    ] {
        case.end.reason = reason;
        case.record.status = status;
        let line = case.line(AccessFormat::Squid);
        assert!(line.contains(result) && line.ends_with(" - HIER_NONE/- -\n"), "{line}");
    }
    case.record.method.clear();
    case.record.url.clear();
    assert!(case.line(AccessFormat::Squid).contains(" 70123 - error:invalid-request - HIER_NONE/- -\n"));
}

#[test]
fn the_combined_line() {
    let expected = "192.0.2.7 - - [21/Nov/2026:03:04:05 +0000] \
        \"GET http://www.example.com:8080/a?b=c HTTP/1.1\" 200 70123 \"-\" \"-\"\n";
    assert_eq!(Case::new().line(AccessFormat::Combined), expected);
}

/// Text that would forge a line, move the cursor, turn the direction round or hide.
const HOSTILE: [&str; 12] = [
    "x\nINFO admin logged in",
    "x\r\n192.0.2.1 - - [x] \"GET / HTTP/1.1\" 200 0",
    "x\0y\u{8}\u{7f}",
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "\u{9b}31mred\u{85}next",
    "a\u{202e}exe.gpj\u{2066}\u{2069}",
    "\u{2028}\u{2029}\u{feff}\u{200b}",
    "\",\"status\":999,\"x\":\"",
    "\\\" \\n",
    "a b\tc",
    "grüße 😀 \u{e0041}\u{fffd}",
    "%0aINFO %00",
];

fn assert_harmless(line: &str) {
    let body = line.strip_suffix('\n').expect("ends its line");
    assert!(body.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
}

#[test]
fn hostile_text_stays_in_its_json_string() {
    for text in HOSTILE {
        let mut case = Case::new();
        (case.record.url, case.record.method) = (text.into(), text.into());
        case.record.destination = format!("{text}:80").into();
        assert_harmless(&case.line(AccessFormat::Json));
        let line = case.json();
        assert_eq!((&line["url"], &line["method"], &line["host"]), (&text.into(), &text.into(), &text.into()));
        assert_eq!(line["status"], 200);
        assert_eq!(line.as_object().map(|keys| keys.len()), Some(22), "{text:?}");
    }
}

#[test]
fn hostile_text_stays_in_its_field_of_the_other_formats() {
    for text in HOSTILE {
        let mut case = Case::new();
        (case.record.url, case.record.method) = (text.into(), text.into());
        case.record.destination = format!("{text}:80").into();

        let squid = case.line(AccessFormat::Squid);
        assert_harmless(&squid);
        assert_eq!(squid.split_whitespace().count(), 10, "{squid:?}");

        let combined = case.line(AccessFormat::Combined);
        assert_harmless(&combined);
        assert_eq!(combined.split('"').count(), 7, "{combined:?}");
        assert_eq!(combined.split('"').nth(1).map(|request| request.split(' ').count()), Some(3), "{combined:?}");
    }
    assert_eq!(escape::Percent("a b\"\\\u{202e}%0a").to_string(), "a%20b%22%5C%E2%80%AE%0a");
}

#[test]
fn long_fields_are_cut_between_two_characters() {
    let mut case = Case::new();
    case.record.url = "u".repeat(FIELD_LIMIT);
    assert_eq!(case.json()["url"], case.record.url);

    case.record.url = format!("{}ü{}", "u".repeat(FIELD_LIMIT - 1), "v".repeat(100_000));
    let kept = "u".repeat(FIELD_LIMIT - 1);
    assert_eq!(case.json()["url"], format!("{kept}…"));
    assert!(case.line(AccessFormat::Squid).contains(&format!(" {kept}... ")));

    (case.record.url, case.record.method) = ("\u{1}".repeat(9999), "\u{1}".repeat(9999));
    case.record.destination = "\u{1}".repeat(9999).into();
    assert!(case.line(AccessFormat::Json).len() < 3 * 6 * FIELD_LIMIT + 1000);
}

#[test]
fn a_pipe_nobody_reads_costs_lines_and_nothing_else() {
    const WRITTEN: u64 = 5000;
    let (reader, writer) = io::pipe().expect("pipe");
    let log = AccessLog::with_queue(writer, AccessFormat::Json, 16);
    let (done, wait) = mpsc::channel();
    let caller = log.clone();
    std::thread::spawn(move || {
        let case = Case::new();
        (0..WRITTEN).for_each(|_| case.write_to(&caller));
        drop(caller);
        let _ = done.send(());
    });
    wait.recv_timeout(PATIENCE).expect("the caller is never blocked");
    let dropped = log.dropped();
    assert!(dropped > 0, "5000 lines do not fit into the pipe, the block and the queue");

    let lines = std::thread::spawn(move || BufReader::new(reader).lines().map_while(Result::ok).count() as u64);
    drop(log);
    let read = lines.join().expect("reader");
    assert_eq!(read + dropped, WRITTEN, "each line is written or counted");
}

/// A disk that hangs: says so when it is written to, and hangs until the test lets go.
struct Hung {
    entered: mpsc::Sender<()>,
    released: mpsc::Receiver<()>,
}

impl Write for Hung {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.entered.send(());
        let _ = self.released.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_last_drop_does_not_wait_for_a_disk_that_hangs() {
    for queued in [1, 1000] {
        let (entered, hangs) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let log = AccessLog::with_queue(Hung { entered, released }, AccessFormat::Json, queued);
        let case = Case::new();
        case.write_to(&log);
        hangs.recv_timeout(PATIENCE).expect("the line is written at once");
        case.write_to(&log);
        case.write_to(&log);
        assert_eq!(log.dropped(), u64::from(queued == 1), "the queue is full only in the first round");
        let (done, wait) = mpsc::channel();
        std::thread::spawn(move || {
            drop(log);
            let _ = done.send(());
        });
        wait.recv_timeout(PATIENCE).expect("dropped although the disk still hangs");
        drop(release);
    }
}

#[test]
fn lines_are_flushed_at_the_last_drop_and_appended_to_what_is_there() {
    let place = tempfile::tempdir().expect("directory");
    let path = place.path().join("access.log");
    let settings = LogSettings { access: AccessSink::File(path.clone()), format: AccessFormat::Squid };
    let case = Case::new();
    for _ in 0..2 {
        let log = AccessLog::open(&settings).expect("opened");
        let other = log.clone();
        (0..500).for_each(|_| case.write_to(&log));
        drop(log);
        case.write_to(&other);
        drop(other);
    }
    let text = std::fs::read_to_string(&path).expect("read");
    assert_eq!(text.lines().count(), 2 * 501);
    assert!(text.lines().all(|line| line.ends_with("HIER_DIRECT/www.example.com -")));
}

#[test]
fn a_sink_that_refuses_is_counted() {
    let full = File::options().write(true).open("/dev/full").expect("opened");
    let log = AccessLog::with_queue(full, AccessFormat::Json, 10_000);
    let refused = log.open.as_ref().expect("open").writer.refused.clone();
    let case = Case::new();
    (0..1000).for_each(|_| case.write_to(&log));
    drop(log);
    assert!(refused.load(Relaxed) > 300, "only one block can be gathered: {refused:?}");
}

#[test]
fn off_takes_nothing() {
    let settings = LogSettings { access: AccessSink::Off, ..LogSettings::default() };
    let log = AccessLog::open(&settings).expect("opened");
    Case::new().write_to(&log);
    assert!(!log.is_on());
    assert_eq!(log.dropped(), 0);
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error() {
    let settings = LogSettings { access: AccessSink::File("/nonexistent/access.log".into()), ..LogSettings::default() };
    assert_eq!(AccessLog::open(&settings).expect_err("no such directory").kind(), io::ErrorKind::NotFound);
}
