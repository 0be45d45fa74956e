//! Tests of what is shown of the ICAP services.

use serde_json::json;

use super::*;
use crate::icap::breaker::BreakerState;
use crate::icap::endpoint::{EndpointState, Rank};
use crate::icap::error::ErrorKind;
use crate::icap::pool::PoolUsage;
use crate::icap::settings::IcapMethod;
use crate::icap::stats::{Ended, IcapStats};
use crate::observe::counters::HistogramSum;

fn server(host: &str, breaker: BreakerState) -> EndpointState {
    EndpointState {
        server: format!("icap://{host}/respmod").into(),
        rank: if breaker == BreakerState::Open { Rank::First } else { Rank::StandBy },
        open: 2,
        connections: PoolUsage { open: 5, idle: 3, limit: 32, waiting: 1 },
        breaker,
        options: None,
        istag: None,
        trouble: (breaker == BreakerState::Open).then_some(ErrorKind::Unreachable),
    }
}

fn stats() -> IcapStats {
    IcapStats {
        service: "av".into(),
        transactions: vec![(IcapMethod::Respmod, Ended::Clean, 7), (IcapMethod::Reqmod, Ended::Abandoned, 1)],
        open: 4,
        oldest_open: Some(Duration::from_millis(1500)),
        queue: HistogramSum { bounds: &[0.5], counts: vec![2, 1], seconds: 1.25 },
        retries: 3,
        istag_changes: 6,
        servers: vec![server("a.test", BreakerState::Closed), server("b.test", BreakerState::Open)],
    }
}

fn scanned() -> AdminView {
    let quiet = || IcapStats { service: "dlp".into(), oldest_open: None, servers: Vec::new(), ..stats() };
    let operations = Operations { icap: Arc::new(move || vec![stats(), quiet()]), ..Operations::default() };
    AdminView { operations, ..view(1) }
}

#[test]
fn services_are_metrics() {
    let samples = parse(&get(&serve(&scanned()), "/metrics").body);
    for (key, value) in [
        ("tether_icap_transactions_total{service=\"av\",method=\"RESPMOD\",outcome=\"clean\"}", 7.0),
        ("tether_icap_transactions_total{service=\"dlp\",method=\"REQMOD\",outcome=\"abandoned\"}", 1.0),
        ("tether_icap_open{service=\"av\"}", 4.0),
        ("tether_icap_oldest_open_seconds", 1.5),
        ("tether_icap_queue_seconds_sum{service=\"av\"}", 1.25),
        ("tether_icap_queue_seconds_count{service=\"av\"}", 3.0),
        ("tether_icap_queue_seconds_bucket{le=\"0.5\",service=\"av\"}", 2.0),
        ("tether_icap_connections{service=\"av\",state=\"busy\"}", 4.0),
        ("tether_icap_connections{service=\"av\",state=\"idle\"}", 6.0),
        ("tether_icap_connections{service=\"dlp\",state=\"idle\"}", 0.0),
        ("tether_icap_queued{service=\"av\"}", 2.0),
        ("tether_icap_breaker_state{service=\"av\",state=\"closed\"}", 1.0),
        ("tether_icap_breaker_state{service=\"av\",state=\"half_open\"}", 0.0),
        ("tether_icap_breaker_state{service=\"av\",state=\"open\"}", 1.0),
        ("tether_icap_retries_total{service=\"av\"}", 3.0),
        ("tether_icap_istag_changes_total{service=\"av\"}", 6.0),
    ] {
        assert_eq!(samples.get(key), Some(&value), "{key}");
    }
    let without = parse(&get(&serve(&view(1)), "/metrics").body);
    assert_eq!(without["tether_icap_oldest_open_seconds"], 0.0);
}

#[test]
fn services_are_listed_with_their_servers() {
    let page = get(&serve(&scanned()), "/api/v1/icap").json();
    let connections = json!({"open": 5, "idle": 3, "limit": 32, "waiting": 1});
    let expected = json!({
        "name": "av", "open": 4, "oldest_open_ms": 1500, "retries": 3, "istag_changes": 6,
        "transactions": {"REQMOD": {"abandoned": 1}, "RESPMOD": {"clean": 7}},
        "servers": [
            {"url": "icap://a.test/respmod", "rank": "stand_by", "breaker": "closed", "trouble": null, "open": 2, "connections": connections,
             "service": null, "istag": null},
            {"url": "icap://b.test/respmod", "rank": "first", "breaker": "open", "trouble": "unreachable", "open": 2,
             "connections": connections, "service": null, "istag": null},
        ],
    });
    assert_eq!((&page["services"][0], &page["services"][1]["oldest_open_ms"]), (&expected, &json!(null)));
}
