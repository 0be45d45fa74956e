//! What can be seen from outside: metrics, the table of streams, health, and one line per exchange.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tether::observe::access_log::{AccessFormat, AccessSink};

use crate::support::admin;
use crate::support::client::{Leaving, asking, connect, get, tunnel};
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::wire::Wire;

/// A stream that is held: its head and `ticks` have come.
fn ticker(proxy: &Proxy, origin: &Origin, ticks: &str) -> (Wire, Wire) {
    let mut client = asking(proxy, get(origin.address(), "/ticks?id=7"));
    let mut served = origin.accept();
    served.head();
    served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{ticks}"));
    client.head();
    client.exactly(ticks.len());
    (client, served)
}

/// The value of a sample, by its name and labels as they are written.
fn sample(page: &str, name: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).parse().expect("a number")
}

#[test]
fn the_metrics_tell_what_is_promised() {
    let (proxy, origin) = (Proxy::start(), Origin::bind());
    let (client, served) = ticker(&proxy, &origin, "tick");
    let (status, page) = admin::ask(&proxy, "/metrics");
    assert_eq!(status, 200);
    let held = [
        ("tether_orphan_upstreams", 0.0),
        ("tether_client_connections", 1.0),
        ("tether_client_requests_in_flight", 1.0),
        ("tether_upstream_connections", 1.0),
        ("tether_upstream_connections_opened_total", 1.0),
        ("tether_client_accepts_total", 1.0),
        ("tether_client_requests_total{method=\"GET\"}", 1.0),
        ("tether_splice_pipes{state=\"in_use\"}", 0.0),
        ("tether_cancel_latency_seconds_count{phase=\"response_body\"}", 0.0),
        ("tether_closed_total{reason=\"client_fin\"}", 0.0),
        ("tether_accept_errors_total{kind=\"exhausted\"}", 0.0),
        ("tether_access_log_dropped_total", 0.0),
        ("tether_task_panics_total", 0.0),
        ("tether_workers", 2.0),
    ];
    for (name, value) in held {
        assert_eq!(sample(&page, name), value, "{name}");
    }
    assert!(sample(&page, "process_open_fds") > 4.0);
    assert!(sample(&page, "tether_client_bytes_total{direction=\"in\"}") > 0.0);

    let _left = Leaving::Fin.leave(client);
    served.ending();
    proxy.wait_until_empty();
    let page = admin::ask(&proxy, "/metrics").1;
    let gone = [
        ("tether_orphan_upstreams", 0.0),
        ("tether_client_connections", 0.0),
        ("tether_client_requests_in_flight", 0.0),
        ("tether_upstream_connections", 0.0),
        ("tether_cancel_latency_seconds_count{phase=\"response_body\"}", 1.0),
        ("tether_cancel_latency_seconds_bucket{le=\"+Inf\",phase=\"response_body\"}", 1.0),
        ("tether_closed_total{reason=\"client_fin\"}", 1.0),
        ("tether_client_responses_total{code_class=\"2xx\"}", 1.0),
    ];
    for (name, value) in gone {
        assert_eq!(sample(&page, name), value, "{name}");
    }
}

/// The rows that `/api/v1/streams` shows for `query`.
fn streams(proxy: &Proxy, query: &str) -> Vec<Value> {
    let (status, body) = admin::ask(proxy, &format!("/api/v1/streams{query}"));
    assert_eq!(status, 200, "{body}");
    let page: Value = serde_json::from_str(&body).expect("JSON");
    page["streams"].as_array().expect("a list").clone()
}

#[test]
fn a_held_ticker_is_a_row_of_the_table() {
    let (proxy, origin) = (Proxy::start(), Origin::bind());
    assert!(streams(&proxy, "").is_empty());
    let (mut client, mut served) = ticker(&proxy, &origin, "tick");
    let _other = tunnel(&proxy, &origin);
    proxy.wait_until("old", |proxy| proxy.streams().iter().all(|row| row.idle.as_millis() >= 300));
    let row = streams(&proxy, "?phase=response_body").pop().expect("the ticker");
    assert_eq!(streams(&proxy, "").len(), 2);
    assert!(row["id"].as_u64().expect("a number") > 0);
    assert_eq!(row["client"], client.local().to_string());
    assert_eq!(row["destination"], origin.address().to_string());
    assert_eq!((&row["listener"], &row["kind"]), (&"test".into(), &"http".into()));
    assert_eq!(row["upstreams"], 1);
    assert_eq!(row["bytes_in"], get(origin.address(), "/ticks?id=7").len());
    assert!(row["age_ms"].as_u64() >= row["idle_ms"].as_u64() && row["idle_ms"].as_u64() >= Some(300), "{row}");

    served.send("tock");
    client.exactly(4);
    let id = row["id"].as_u64().expect("a number");
    let bytes_out = row["bytes_out"].as_u64().expect("a number");
    proxy.wait_until("told", |proxy| proxy.streams().iter().any(|row| row.id == id && row.bytes_out == bytes_out + 4));
    let later = streams(&proxy, "?phase=response_body").pop().expect("the ticker");
    assert!(later["idle_ms"].as_u64() < later["age_ms"].as_u64(), "a byte has just moved: {later}");
    assert!(later["age_ms"].as_u64() >= row["age_ms"].as_u64());
}

#[test]
fn health_and_readiness() {
    let proxy = Proxy::start();
    assert_eq!(admin::ask(&proxy, "/healthz"), (200, "ok\n".into()));
    assert_eq!(admin::ask(&proxy, "/readyz"), (200, "ready\n".into()));
    assert_eq!(admin::ask(&proxy, "/nothing").0, 404);
}

/// A proxy that logs into `folder`, and the path of its log.
fn logging(folder: &Path) -> (Proxy, PathBuf) {
    let path = folder.join("access.log");
    let sink = AccessSink::File(path.clone());
    let proxy = Proxy::with(|settings| {
        settings.log.access = sink;
        settings.log.format = AccessFormat::Json;
    });
    (proxy, path)
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("the log");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// Waits for as many lines; gives the last one.
fn line_number(proxy: &Proxy, path: &Path, count: usize) -> Value {
    proxy.wait_until("logged", |_| lines(path).len() >= count);
    let mut lines = lines(path);
    assert_eq!(lines.len(), count, "one line per exchange: {lines:?}");
    lines.pop().expect("a line")
}

#[test]
fn every_exchange_is_one_line_that_says_how_it_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let (proxy, path) = logging(folder.path());
    let origin = Origin::bind();
    let host = origin.address();

    let mut client = asking(&proxy, get(host, "/whole"));
    let mut served = origin.accept();
    served.head();
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    client.head();
    client.exactly(2);
    let line = line_number(&proxy, &path, 1);
    expect(&line, &["done", "nobody"]);
    assert_eq!((&line["method"], &line["status"]), (&"GET".into(), &200.into()));
    assert_eq!(line["url"], format!("http://{host}/whole"));
    assert_eq!((&line["host"], &line["port"]), (&"127.0.0.1".into(), &host.port().into()));
    assert_eq!(line["client"], client.local().to_string());
    assert!(line["cancel_ms"].is_null() && line["ttfb_ms"].is_number(), "{line}");
    drop((client, served));
    proxy.wait_until_empty();

    for (number, leaving) in Leaving::ALL.into_iter().enumerate() {
        let (client, served) = ticker(&proxy, &origin, "tick");
        let left = leaving.leave(client);
        served.ending();
        let line = line_number(&proxy, &path, 2 + number);
        expect(&line, &[if leaving == Leaving::Reset { "client_reset" } else { "client_fin" }, "client"]);
        assert_eq!((&line["phase"], &line["status"]), (&"response_body".into(), &200.into()), "{line}");
        assert!(line["cancel_ms"].as_f64().is_some_and(|took| took < 2_000.0), "{line}");
        drop(left);
    }

    let (client, served) = tunnel(&proxy, &origin);
    drop(client);
    drop(served);
    let line = line_number(&proxy, &path, 6);
    assert_eq!(
        (&line["method"], &line["mode"], &line["phase"]),
        (&"CONNECT".into(), &"tunnel".into(), &"tunnel".into())
    );

    drop(origin);
    let mut client = asking(&proxy, connect(host));
    client.head();
    drop(client);
    let line = line_number(&proxy, &path, 7);
    expect(&line, &["connect_refused", "upstream"]);
    assert_eq!(line["status"], 502);

    proxy.wait_until_empty();
    drop(proxy);
    assert_eq!(lines(&path).len(), 7, "nothing comes after the end");
}

/// The line ended for this reason, and it was the doing of that side.
fn expect(line: &Value, [reason, closed_by]: &[&str; 2]) {
    assert_eq!((&line["reason"], &line["closed_by"]), (&Value::from(*reason), &Value::from(*closed_by)), "{line}");
}
