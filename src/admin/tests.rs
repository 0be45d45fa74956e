//! Tests of the admin port over real loopback sockets.

mod bypass;
mod icap;
mod operations;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime};

use super::operations::Operations;
use super::*;
use crate::base::phase::Phase;
use crate::base::reason::Reason;
use crate::flow::inspection::shared::InspectionShared;
use crate::inspect::course::SpoolSettings;
use crate::net::resolver::stats::ResolverStats;
use crate::observe::access_log::AccessLog;
use crate::observe::counters::WorkerCounters;
use crate::observe::ends::EndRing;
use crate::observe::live::{Kind, LiveTable, Row};

/// Every family, with its type, as the older text format names it.
const FAMILIES: &str = "
    tether_build_info gauge                          tether_start_time_seconds gauge
    tether_workers gauge                             tether_client_connections gauge
    tether_client_accepts_total counter              tether_client_handed_over_total counter
    tether_accept_errors_total counter               tether_client_requests_total counter
    tether_client_responses_total counter            tether_client_requests_in_flight gauge
    tether_client_bytes_total counter                tether_spliced_bytes_total counter
    tether_upstream_connections gauge                tether_upstream_connections_opened_total counter
    tether_upstream_reused_total counter             tether_upstream_stale_total counter
    tether_stale_retries_total counter               tether_orphan_upstreams gauge
    tether_stale_failures_total counter              tether_upstream_idle_ended_total counter
    tether_upstream_quarantines_total counter        tether_upstream_preopened_total counter
    tether_upstream_pooled gauge
    tether_streams gauge                             tether_cancel_latency_seconds histogram
    tether_request_duration_seconds histogram        tether_upstream_connect_duration_seconds histogram
    tether_closed_total counter                      tether_splice_pipes gauge
    tether_icap_server_held_bytes gauge              tether_icap_server_open gauge
    tether_icap_server_stream_transactions gauge     tether_icap_server_transactions_total counter
    tether_dns_lookups_total counter                 tether_dns_cache_hits_total counter
    tether_dns_failures_total counter                tether_dns_in_flight gauge
    tether_access_log_dropped_total counter          tether_task_panics_total counter
    tether_limit_in_use gauge                        tether_limit_rejections_total counter
    tether_limit_would_reject_total counter          tether_limit_queued gauge
    tether_limit_evictions_total counter             tether_rate_rejections_total counter
    tether_rate_delays_total counter                 tether_rate_simulated_total counter
    tether_reuse_quarantined_origins gauge
    tether_overload_level gauge                      tether_overload_shed_total counter
    tether_config_reloads_total counter              tether_config_last_reload_successful gauge
    tether_config_generation gauge                   tether_bypass_entries gauge
    tether_bypass_hits_total counter
    tether_icap_transactions_total counter           tether_icap_open gauge
    tether_icap_oldest_open_seconds gauge            tether_icap_queue_seconds histogram
    tether_icap_connections gauge                    tether_icap_queued gauge
    tether_icap_breaker_state gauge                  tether_icap_retries_total counter
    tether_icap_istag_changes_total counter
    tether_scans_total counter                       tether_scan_verdicts_total counter
    tether_scan_handovers_total counter              tether_scan_handover_regrets_total counter
    tether_scan_windows_total counter                tether_unscanned_bytes_total counter
    tether_verdict_cache_total counter
    tether_scan_bytes_held gauge                     tether_scan_bodies_held gauge
    tether_scan_spool_refusals_total counter         tether_scan_blocked_urls gauge
    process_open_fds gauge                           process_resident_memory_bytes gauge
    process_cpu_seconds_total counter";

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    fn has(&self, line: &str) -> bool {
        self.head.lines().any(|header| header.eq_ignore_ascii_case(line))
    }
}

/// Sends `head` and reads to the end.
fn exchange(server: &AdminServer, head: &str) -> Answer {
    let mut stream = TcpStream::connect(server.addr).expect("connected");
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("has a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("has a status");
    Answer { status, head: head.into(), body: body.into() }
}

fn get_with(server: &AdminServer, path: &str, headers: &str) -> Answer {
    exchange(server, &format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n"))
}

fn get(server: &AdminServer, path: &str) -> Answer {
    get_with(server, path, "Host: localhost\r\n")
}

fn view(workers: usize) -> AdminView {
    AdminView {
        workers: (0..workers).map(|_| Arc::new(WorkerCounters::default())).collect(),
        tables: (0..workers).map(|_| LiveTable::new(Instant::now() - Duration::from_secs(100))).collect(),
        ends: EndRing::for_workers(workers),
        access_log: AccessLog::off(),
        started: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_230_245_500),
        resolver_stats: Arc::new(|| ResolverStats { lookups: 70, cache_hits: 50, failures: 3, in_flight: 2 }),
        operations: Operations::default(),
        inspection: Arc::new(InspectionShared::new(SpoolSettings::default(), Arc::default())),
        state: Arc::default(),
        version: "1.2.3",
    }
}

fn serve(view: &AdminView) -> AdminServer {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    start(listener, view.clone()).expect("started")
}

/// A row whose exchange began `age` ago.
fn row(table: &Arc<LiveTable>, id: u64, age: Duration, phase: Phase, destination: &str) -> Arc<Row> {
    let row = table.insert(id, "192.0.2.7:50123".parse().expect("address"), "office".into(), &"".into());
    row.begin(Instant::now() - age);
    row.set_phase(phase);
    row.set_destination(&destination.into());
    row
}

/// Reads every line of a metrics text; panics at one that is none. Samples are keyed by name and labels.
fn parse(text: &str) -> HashMap<String, f64> {
    let mut samples = HashMap::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let known = comment == "EOF" || comment.starts_with("HELP ") || comment.starts_with("TYPE ");
            assert!(known, "{line}");
            continue;
        }
        let (key, value) = line.rsplit_once(' ').expect("name and value");
        let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
        assert!(labels.ends_with('}') && labels.matches('"').count().is_multiple_of(2), "{line}");
        assert!(samples.insert(key.into(), value.parse().expect("number")).is_none(), "twice: {line}");
    }
    samples
}

#[test]
fn the_older_format_has_every_family_once() {
    let answer = get(&serve(&view(2)), "/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.has("content-type: text/plain; version=0.0.4; charset=utf-8"), "{}", answer.head);
    parse(&answer.body);
    let words: Vec<&str> = FAMILIES.split_whitespace().collect();
    let mut expected: Vec<String> = words.chunks(2).map(|pair| format!("# TYPE {} {}", pair[0], pair[1])).collect();
    let mut told: Vec<&str> = answer.body.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    expected.sort();
    told.sort();
    assert_eq!(told, expected);
    assert_eq!(answer.body.matches("# HELP ").count(), expected.len());
    assert!(!answer.body.contains("EOF"));
}

#[test]
fn openmetrics_when_it_is_accepted() {
    let headers = "Host: localhost\r\nAccept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let answer = get_with(&serve(&view(0)), "/metrics", headers);
    assert!(answer.has("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{}", answer.head);
    assert!(answer.body.contains("\n# TYPE tether_client_requests counter\ntether_client_requests_total{"));
    assert!(answer.body.ends_with("\n# EOF\n"));
    parse(&answer.body);
}

#[test]
fn counters_are_added_up_over_the_workers() {
    let view = view(2);
    for worker in &view.workers {
        worker.accepted.add(5);
        worker.requests[0].add(3);
        worker.responses[2].add(2);
        worker.closed[Reason::ClientFin as usize].add(4);
        worker.pipes_open.add(7);
        worker.cancel_latency[Phase::Connecting as usize].observe(Duration::from_micros(80));
        worker.request_duration.observe(Duration::from_secs(9000));
    }
    view.workers[0].client_connections.add(3);
    view.workers[1].client_connections.sub(1);
    view.workers[1].pipes_in_use.add(4);
    let samples = parse(&get(&serve(&view), "/metrics").body);
    for (key, value) in [
        ("tether_build_info{version=\"1.2.3\"}", 1.0),
        ("tether_start_time_seconds", 1_795_230_245.5),
        ("tether_workers", 2.0),
        ("tether_client_accepts_total", 10.0),
        ("tether_client_connections", 2.0),
        ("tether_client_requests_total{method=\"GET\"}", 6.0),
        ("tether_client_requests_total{method=\"other\"}", 0.0),
        ("tether_client_responses_total{code_class=\"2xx\"}", 4.0),
        ("tether_client_responses_total{code_class=\"none\"}", 0.0),
        ("tether_closed_total{reason=\"client_fin\"}", 8.0),
        ("tether_splice_pipes{state=\"in_use\"}", 4.0),
        ("tether_splice_pipes{state=\"idle\"}", 10.0),
        ("tether_dns_lookups_total", 70.0),
        ("tether_dns_in_flight", 2.0),
        ("tether_cancel_latency_seconds_count{phase=\"connecting\"}", 2.0),
        ("tether_cancel_latency_seconds_bucket{le=\"0.00005\",phase=\"connecting\"}", 0.0),
        ("tether_cancel_latency_seconds_bucket{le=\"0.0001\",phase=\"connecting\"}", 2.0),
        ("tether_cancel_latency_seconds_bucket{le=\"+Inf\",phase=\"connecting\"}", 2.0),
        ("tether_cancel_latency_seconds_count{phase=\"idle\"}", 0.0),
        ("tether_request_duration_seconds_bucket{le=\"3600.0\"}", 0.0),
        ("tether_request_duration_seconds_bucket{le=\"+Inf\"}", 2.0),
        ("tether_request_duration_seconds_sum", 18_000.0),
    ] {
        assert_eq!(samples.get(key), Some(&value), "{key}");
    }
    let reasons = samples.keys().filter(|key| key.starts_with("tether_closed_total{")).count();
    assert_eq!(reasons, Reason::COUNT, "every reason is there before it happens");
}

#[test]
fn streams_and_orphans_are_counted_from_the_live_tables() {
    let view = view(2);
    let old = Duration::from_secs(11);
    let held = [
        row(&view.tables[0], 1, old, Phase::ResponseBody, "a:80"),
        row(&view.tables[1], 2, old, Phase::ResponseHead, "a:80"),
        row(&view.tables[1], 3, old, Phase::ResponseBody, "a:80"),
    ];
    held.iter().for_each(|row| row.stream_began());
    held[2].stream_ended();
    let tunnel = row(&view.tables[0], 5, old, Phase::Tunnel, "a:443");
    tunnel.set_kind(Kind::Tunnel);
    tunnel.stream_began();
    tunnel.upstream_opened();
    tunnel.client_gone();
    let server = serve(&view);
    let orphans_seen = |wanted: f64| {
        let begun = Instant::now();
        while parse(&get(&server, "/metrics").body)["tether_orphan_upstreams"] != wanted {
            assert!(begun.elapsed() < Duration::from_secs(20), "never {wanted}");
        }
    };
    orphans_seen(1.0);
    let samples = parse(&get(&server, "/metrics").body);
    assert_eq!(samples["tether_streams{kind=\"http\"}"], 2.0);
    assert_eq!(samples["tether_streams{kind=\"tunnel\"}"], 1.0);
    assert_eq!(samples["tether_streams{kind=\"upgrade\"}"], 0.0);
    tunnel.upstream_closed();
    orphans_seen(0.0);
}

#[test]
fn health_and_readiness() {
    let view = view(1);
    let server = serve(&view);
    let health = get(&server, "/healthz");
    assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
    for (serving, status, text) in [
        (Serving::Starting, 503, "starting\n"),
        (Serving::Ready, 200, "ready\n"),
        (Serving::Draining, 503, "draining\n"),
    ] {
        view.state.set(serving);
        let answer = get(&server, "/readyz");
        assert_eq!((answer.status, answer.body.as_str()), (status, text));
    }
    view.workers[0].accept_exhausted.add(1);
    let health = get(&server, "/healthz");
    assert!(health.status == 200 && health.body.starts_with("degraded: "), "{}", health.body);
}

#[test]
fn the_stream_list_is_oldest_first_limited_and_filtered() {
    let view = view(2);
    let seconds = Duration::from_secs;
    let _held = [
        row(&view.tables[0], 1, seconds(5), Phase::ResponseBody, "a:80"),
        row(&view.tables[1], 2, seconds(50), Phase::Tunnel, "b:443"),
        row(&view.tables[0], 3, seconds(20), Phase::ResponseBody, "c:80"),
    ];
    let server = serve(&view);
    let ids = |path: &str| {
        let page = get(&server, path).json();
        let ids: Vec<u64> =
            page["streams"].as_array().expect("rows").iter().map(|row| row["id"].as_u64().expect("id")).collect();
        (ids, page["total"].as_u64().expect("total"))
    };
    assert_eq!(ids("/api/v1/streams"), (vec![2, 3, 1], 3));
    assert_eq!(ids("/api/v1/streams?limit=1"), (vec![2], 3));
    assert_eq!(ids("/api/v1/streams?phase=response_body"), (vec![3, 1], 2));
    assert_eq!(ids("/api/v1/streams?phase=response_body&limit=0"), (vec![], 2));
    for bad in ["?limit=-1", "?limit=x", "?phase=nonsense"] {
        let answer = get(&server, &format!("/api/v1/streams{bad}"));
        assert_eq!(answer.status, 400, "{bad}");
        assert!(answer.json()["error"].is_string(), "{bad}");
    }
}

#[test]
fn a_stream_with_hostile_text_is_data() {
    let view = view(1);
    let hostile = "<img src=x onerror=alert(1)>\"},\n\u{1b}[2J\u{202e}\u{9b}:80";
    let held = row(&view.tables[0], 7, Duration::from_secs(3), Phase::ClientWrite, hostile);
    held.moved(Instant::now(), 10, 20);
    held.upstream_opened();
    let answer = get(&serve(&view), "/api/v1/streams");
    assert!(answer.has("content-type: application/json"), "{}", answer.head);
    assert!(answer.body.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", answer.body);
    let mut shown = answer.json()["streams"][0].clone();
    let (age, idle) = (shown["age_ms"].take(), shown["idle_ms"].take());
    assert!(age.as_u64().expect("age") >= 3000 && idle.as_u64().expect("idle") < 3000);
    let expected = serde_json::json!({
        "id": 7, "client": "192.0.2.7:50123", "listener": "office", "destination": hostile, "phase": "client_write",
        "kind": "http", "age_ms": null, "idle_ms": null, "bytes_in": 10, "bytes_out": 20, "stream": false, "scan": null,
        "stream_kind": null, "upstreams": 1,
    });
    assert_eq!(shown, expected);
}

#[test]
fn every_answer_is_guarded() {
    let server = serve(&view(1));
    let evil = get_with(&server, "/metrics", "Host: evil.example:9128\r\n");
    let nameless = get_with(&server, "/metrics", "");
    let absent = get(&server, "/absent");
    let post = exchange(&server, "POST /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let index = get(&server, "/");
    let addressed = get_with(&server, "/", &format!("Host: {}\r\n", server.addr));
    let answers = [(evil, 421), (nameless, 421), (absent, 404), (post, 405), (index, 200), (addressed, 200)];
    for (answer, status) in &answers {
        assert_eq!(answer.status, *status);
        for header in [
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
            "content-security-policy: default-src 'self'; frame-ancestors 'none'",
        ] {
            assert!(answer.has(header), "{header} in {}", answer.head);
        }
    }
    assert!(!answers[0].0.body.contains("tether_"));
    let pages =
        ["/api/v1/streams", "/api/v1/ends", "/api/v1/limits", "/api/v1/bypass", "/api/v1/icap", "/api/v1/origins"];
    for link in ["/metrics", "/healthz", "/readyz"].iter().chain(&pages) {
        assert!(answers[4].0.body.contains(&format!("href=\"{link}\"")), "{link}");
    }
}

#[test]
fn a_stop_ends_everything_within_a_second() {
    let view = view(1);
    let server = serve(&view);
    let addr = server.addr;
    let mut waiting = TcpStream::connect(addr).expect("connected");
    waiting.write_all(b"GET / HTTP/1.1\r\nHost: lo").expect("sent");
    let mut kept = TcpStream::connect(addr).expect("connected");
    kept.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    kept.read_exact(&mut [0; 12]).expect("answered");

    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || {
        let begun = Instant::now();
        server.stop();
        let _ = done.send(begun.elapsed());
    });
    let took = wait.recv_timeout(Duration::from_secs(20)).expect("stopped");
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert!(TcpStream::connect(addr).is_err(), "nobody listens");
    // Both ends have been closed, so that both reads come to an end.
    let _ = kept.read_to_end(&mut Vec::new());
    let _ = waiting.read_to_end(&mut Vec::new());
    assert_eq!(Arc::strong_count(&view.state), 1, "nothing holds the view");
}

#[test]
fn silent_connections_do_not_keep_others_out_while_there_is_room() {
    let server = serve(&view(1));
    let silent: Vec<TcpStream> =
        (1..listener::CONNECTIONS).map(|_| TcpStream::connect(server.addr).expect("connected")).collect();
    assert_eq!(get(&server, "/healthz").status, 200);
    let last = TcpStream::connect(server.addr).expect("connected");
    let mut outside = TcpStream::connect(server.addr).expect("in the kernel's queue");
    outside.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("sent");
    drop(silent);
    drop(last);
    let mut answer = String::new();
    outside.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200 "), "served when there is room again: {answer}");
}
