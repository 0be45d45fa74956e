//! What an operator is told in the log of the process: each change once, and not each request.

use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tracing_subscriber::fmt::MakeWriter;

use super::server::{PREVIEW, UNCHANGED, whole};
use super::*;

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("log").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Log;

    fn make_writer(&self) -> Log {
        self.clone()
    }
}

/// The lines that are logged while this runs.
fn logged(test: impl Future<Output = ()>) -> Vec<String> {
    let log = Log::default();
    let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
    // Time that is skipped is no time in which the test has to be over.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tracing::subscriber::with_default(lines, || runtime.block_on(test));
    let text = String::from_utf8(log.0.lock().expect("log").clone()).expect("text");
    text.lines().map(str::to_owned).collect()
}

/// The lines that are logged while this client is asked so often.
fn logged_of(client: &IcapClient, scans: usize) -> Vec<String> {
    logged(async {
        for _ in 0..scans {
            // What comes of it is told in the log.
            let _ = scan(client, b"hello").await;
        }
    })
}

/// Goes on so much later.
async fn later(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[test]
fn a_server_that_is_left_alone_is_told_once() {
    let server = serve(PREVIEW, |visit, _| {
        visit.send("ICAP/1.0 500 Server error\r\n\r\n");
    });
    let lines = logged_of(&client(&server), 20);
    assert_eq!(lines.len(), 1, "{lines:?}");
    for word in ["WARN", "left alone", "service=av", &server.address().to_string(), "it failed (500)"] {
        assert!(lines[0].contains(word), "{word}: {lines:?}");
    }
}

#[test]
fn a_matter_of_configuration_is_told_once() {
    let server = serve(PREVIEW, |visit, _| {
        visit.send("ICAP/1.0 404 Service not found\r\n\r\n");
    });
    let lines = logged_of(&client(&server), 20);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("configured") && lines[0].contains("no such service (404)"), "{lines:?}");
}

#[test]
fn a_server_that_works_again_is_told() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let server = serve(PREVIEW, move |visit, ask| {
        whole(visit, ask);
        let works = count.fetch_add(1, Relaxed) >= 5;
        visit.send(if works { UNCHANGED } else { "ICAP/1.0 500 Server error\r\n\r\n" });
    });
    let client = client(&server);
    let lines = logged(async {
        for _ in 0..20 {
            let _ = scan(&client, b"hello").await;
        }
        later(Duration::from_secs(10)).await;
        assert_eq!(scan(&client, b"hello").await, Ok(Judgement::Unchanged));
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("left alone") && lines[1].contains("works again"), "{lines:?}");
}

#[test]
fn options_that_leave_out_what_they_must_tell_are_told() {
    for (fields, lacking) in [
        ("Preview: 0\r\n", Some("Methods, ISTag")),
        ("ISTag: \"t\"\r\n", Some("Methods")),
        ("Methods: RESPMOD\r\n", Some("ISTag")),
        ("Methods: RESPMOD\r\nISTag: \"t\"\r\n", None),
    ] {
        let server = Scripted::start(move |visit| {
            while let Some(head) = visit.head() {
                if head.starts_with("OPTIONS ") {
                    visit.send(format!("ICAP/1.0 200 OK\r\n{fields}Encapsulated: null-body=0\r\n\r\n"));
                } else if let Some(ask) = super::server::ask(visit, head) {
                    whole(visit, ask);
                    visit.send(UNCHANGED);
                }
            }
        });
        let lines = logged_of(&client(&server), 3);
        assert_eq!(lines.len(), usize::from(lacking.is_some()), "{lines:?}");
        if let Some(lacking) = lacking {
            assert!(lines[0].contains(&format!("lacking={lacking:?}")), "{lines:?}");
        }
    }
}

#[test]
fn a_request_that_is_found_bad_is_told_with_its_head_now_and_then() {
    let server = serve(PREVIEW, |visit, ask| {
        whole(visit, ask);
        visit.send("ICAP/1.0 400 Bad request\r\n\r\n");
    });
    let client = client(&server);
    let lines = logged(async {
        for _ in 0..20 {
            let _ = scan(&client, b"hello").await;
        }
        later(Duration::from_secs(60)).await;
        let _ = scan(&client, b"hello").await;
    });
    assert_eq!(lines.len(), 2, "one in a minute: {lines:?}");
    for word in ["(400)", "RESPMOD icap://", "Encapsulated: req-hdr=0"] {
        assert!(lines[0].contains(word), "{word}: {lines:?}");
    }
    assert!(!lines[0].contains("GET "), "what was in it is nobody's business: {lines:?}");
}
