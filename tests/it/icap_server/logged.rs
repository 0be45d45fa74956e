//! One line of the access log for each message, however it ends.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use tether::inspect::settings::eicar;
use tether::observe::access_log::AccessSink;

use super::Server;
use super::asking::{DECLARED, END, ENDLESS, UNCHANGED, begun, chunk, judged, piece, reqmod, respmod};
use crate::support::client::Leaving;
use crate::support::wire::How;

/// A server whose access log is kept in a folder of its own.
struct Logged {
    server: Server,
    folder: TempDir,
}

impl Logged {
    fn start() -> Logged {
        let folder = TempDir::new().expect("a folder");
        let server = Server::logging(AccessSink::File(path(&folder)), |_| {});
        Logged { server, folder }
    }

    /// The last of so many lines, and no more, once they are there.
    fn line(&self, count: usize) -> Value {
        let read = || std::fs::read_to_string(path(&self.folder)).unwrap_or_default();
        self.server.proxy.wait_until("logged", |_| read().lines().count() >= count);
        assert_eq!(read().lines().count(), count, "one line per message: {}", read());
        serde_json::from_str(read().lines().last().expect("a line")).expect("JSON")
    }
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("access.log")
}

/// The outcome, the status and the bytes of a line.
fn ended(line: &Value) -> (&str, u64, u64) {
    let number = |key: &str| line[key].as_u64().expect("a number");
    (line["outcome"].as_str().expect("a text"), number("icap_status"), number("bytes_in"))
}

#[test]
fn messages_of_one_connection() {
    let logged = Logged::start();
    let mut wire = logged.server.connect();
    wire.send("OPTIONS icap://s.test/respmod ICAP/1.0\r\n\r\n");
    wire.head();
    wire.send(
        [respmod("Allow: 204\r\nX-Client-IP: 192.0.2.7\r\n", ENDLESS).as_bytes(), &chunk(b"hello"), END].concat(),
    );
    assert!(wire.head().starts_with(UNCHANGED));
    let line = logged.line(1);
    assert_eq!(ended(&line), ("unchanged", 204, 5), "and none for the question about options: {line}");
    for (key, value) in [
        ("client", "192.0.2.7"),
        ("peer", &wire.local().to_string()),
        ("listener", "filter"),
        ("mode", "icap"),
        ("icap_method", "RESPMOD"),
        ("method", "GET"),
        ("url", "http://o.test/p"),
        ("host", "o.test"),
    ] {
        assert_eq!(line[key], value, "{line}");
    }
    let id = line["id"].as_str().expect("a text");
    assert!(id.ends_with("-1") && line["threat"].is_null(), "{line}");

    let head = "POST http://o.test:81/up HTTP/1.1\r\nHost: o.test:81\r\n\r\n";
    wire.send([reqmod("", head).as_bytes(), &chunk(&eicar()), END].concat());
    judged(&mut wire);
    let line = logged.line(2);
    assert_eq!(ended(&line), ("blocked", 200, 68), "{line}");
    assert_eq!((&line["threat"], &line["found_in"]), (&"eicar".into(), &"content".into()), "{line}");
    assert_eq!((&line["icap_method"], &line["method"], &line["port"]), (&"REQMOD".into(), &"POST".into(), &81.into()));
    assert_eq!((&line["id"], line["client"].is_null()), (&id.replace("-1", "-2").into(), true), "{line}");

    wire.send([respmod("Preview: 0\r\n", DECLARED).as_bytes(), END].concat());
    assert!(wire.head().starts_with(UNCHANGED));
    assert_eq!(ended(&logged.line(3)), ("stream_passed", 204, 0));

    wire.send([respmod("", ENDLESS).as_bytes(), b"nonsense\r\n"].concat());
    assert!(wire.head().starts_with("ICAP/1.0 400 "));
    assert_eq!(ended(&logged.line(4)), ("refused", 400, 0));
}

#[test]
fn messages_that_are_cut_or_left() {
    let logged = Logged::start();
    let mut wire = logged.server.connect();
    wire.send([respmod("", ENDLESS).as_bytes(), &chunk(b"goal 1\n")].concat());
    begun(&mut wire);
    assert_eq!(piece(&mut wire), b"goal 1\n");
    wire.send(chunk(&eicar()));
    assert_eq!(wire.rest(), (Vec::new(), How::Reset));
    let line = logged.line(1);
    assert_eq!(ended(&line), ("cut", 200, 75), "{line}");
    assert_eq!(line["threat"], "eicar", "{line}");
    // Before an answer was begun, and after.
    for (count, status) in [(2, 0), (3, 200)] {
        let mut wire = logged.server.connect();
        wire.send([respmod("", ENDLESS).as_bytes(), &chunk(b"goal 1\n")].concat());
        if status == 200 {
            begun(&mut wire);
        } else {
            logged.server.proxy.wait_until("held", |_| logged.server.held() == 7);
        }
        let left = Leaving::Fin.leave(wire);
        assert_eq!(ended(&logged.line(count)), ("aborted", status, 7));
        drop(left);
    }
    logged.server.wait_until_empty();
}
