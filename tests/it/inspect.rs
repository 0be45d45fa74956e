//! Bodies on their way through the built-in scanner: what is stopped, what arrives, and what is left when somebody leaves.

mod arrival;
mod bypass;
mod caps;
mod cut;
mod eicar;
mod evasion;
mod learning;
mod leaving;
mod overload;
mod progress;
mod rules;
mod storm;
mod streams;
mod tickers;
mod trickle;
mod unscanned;
mod uploads;
mod wrapped;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tether::config::settings::Settings;
use tether::inspect::course::ScannerName;
use tether::observe::access_log::{AccessFormat, AccessSink};

use self::wrapped::Framing;
use crate::support::admin;
use crate::support::answer::{Answer, answer};
use crate::support::client::{asking, get};
use crate::support::kernel::unread_by_the_peer_of;
use crate::support::patience::until;
use crate::support::proxy::Proxy;
use crate::support::random::Random;
use crate::support::script::Scripted;
use crate::support::wire::Wire;

/// A proxy whose built-in scanner sees everything.
fn scanning() -> Proxy {
    scanning_with(|_| {})
}

/// The same after `change`.
fn scanning_with(change: impl FnOnce(&mut Settings)) -> Proxy {
    Proxy::with(|settings| {
        settings.inspect.default = vec![ScannerName::BuiltIn];
        change(settings);
    })
}

/// Takes silence for the sign of a stream sooner.
fn impatient(settings: &mut Settings) {
    settings.inspect.hold.idle_gap = Duration::from_millis(100);
    settings.inspect.hold.first_byte_gap = Duration::from_millis(100);
}

/// Never takes silence for the sign of a stream.
fn patient(settings: &mut Settings) {
    settings.inspect.hold.idle_gap = Duration::from_secs(600);
    settings.inspect.hold.first_byte_gap = Duration::from_secs(600);
    settings.inspect.hold.longest = Duration::from_secs(600);
}

/// Has every exchange logged to a file in `folder`.
fn logging(folder: &Path) -> impl FnOnce(&mut Settings) {
    let sink = AccessSink::File(log_in(folder));
    move |settings| {
        settings.log.access = sink;
        settings.log.format = AccessFormat::Json;
    }
}

fn log_in(folder: &Path) -> PathBuf {
    folder.join("access.log")
}

/// Waits for as many lines of the log in `folder`; gives the last of them.
fn logged(proxy: &Proxy, folder: &Path, count: usize) -> Value {
    let lines = || std::fs::read_to_string(log_in(folder)).unwrap_or_default();
    proxy.wait_until("logged", |_| lines().matches('\n').count() >= count);
    serde_json::from_str(lines().lines().nth(count - 1).expect("a line")).expect("a line of JSON")
}

/// The value of a metric, by its name and labels as they are written.
#[track_caller]
fn metric(proxy: &Proxy, name: &str) -> u64 {
    let page = admin::ask(proxy, "/metrics").1;
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name}")).parse().expect("a whole number")
}

/// Bodies that are held, and their bytes in memory and on disk.
fn held(proxy: &Proxy) -> [u64; 3] {
    let bytes = |place: &str| metric(proxy, &format!("tether_scan_bytes_held{{where=\"{place}\"}}"));
    [metric(proxy, "tether_scan_bodies_held"), bytes("memory"), bytes("disk")]
}

/// Waits until nobody is connected and nothing is held.
fn wait_until_nothing_is_left(proxy: &Proxy) {
    proxy.wait_until_empty();
    proxy.wait_until("free of bodies", |proxy| held(proxy) == [0; 3]);
    assert_eq!(proxy.tally().orphans(), 0);
}

/// Waits until the program at the other end has read all that `wire` sent.
fn wait_until_read(wire: &Wire) {
    until("read", || unread_by_the_peer_of(wire) == 0);
}

/// Bytes that look random and are the same in every run.
fn noise(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    Random::seeded(size as u64).fill(&mut bytes);
    // No kind of file begins so.
    bytes.iter_mut().take(4).for_each(|byte| *byte = b'~');
    bytes
}

/// Text without an end of a line.
fn text(size: usize) -> Vec<u8> {
    b"tether ".iter().copied().cycle().take(size).collect()
}

/// An origin that answers every request with this body.
fn serving(framing: Framing, fields: &str, body: &[u8]) -> Scripted {
    let (answer, last) = (framing.response(fields, body), framing.is_ended_by_close());
    Scripted::start(move |visit| {
        while visit.head().is_some() && visit.send(&answer) {
            if last {
                return visit.finish();
            }
        }
    })
}

/// Asks for a path; gives the whole answer.
fn fetch(proxy: &Proxy, origin: &Scripted, path: &str) -> Answer {
    answer(&mut asking(proxy, get(origin.address(), path)))
}
