//! Traffic by way of ICAP services: a whole proxy, services that judge as the test says, and what clients get of it.

mod chain;
mod failing;
mod files;
mod kept;
mod lazy;
mod leaving;
mod media;
mod overload;
mod quirks;
mod reloading;
mod requests;
mod streams;
mod tags;
mod tickers;
mod tunnels;
mod turns;
mod uploads;
mod waiting;
mod whole;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tether::base::reason::Reason;
use tether::config::settings::Settings;
use tether::icap::settings::{IcapMethod, IcapService, OnFailure, VerdictUse};
use tether::icap::stats::{Ended, IcapStats};
use tether::inspect::course::ScannerName;
use tether::inspect::plan::Unscanned;
use tether::observe::access_log::{AccessFormat, AccessSink};

use super::icap::server::{Ask, PREVIEW, UNCHANGED, serve, whole};
use super::support::answer::{Answer, answer};
use super::support::client::{asking, get};
use super::support::proxy::{Proxy, SOON};
use super::support::script::{Scripted, Seen, Visit, ok};
use super::support::wire::Wire;

/// A limit that is waited for in a test.
const SHORT: Duration = Duration::from_millis(200);
/// The page of a service that blocks.
const PAGE: &str = "blocked by the service";

/// What a service was shown.
#[derive(Clone, Debug)]
struct Shown {
    /// The ICAP head.
    head: String,
    /// The encapsulated heads.
    inner: String,
    /// The whole body.
    body: Vec<u8>,
}

impl Shown {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a field of the ICAP head.
    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A service that keeps what it is shown.
struct Scanner {
    server: Scripted,
    shown: Arc<Mutex<Vec<Shown>>>,
}

impl Scanner {
    /// Answers every message, once all of it is here, with what `judge` says.
    fn judging(judge: impl Fn(&Shown) -> Vec<u8> + Send + Sync + 'static) -> Scanner {
        Scanner::answering(PREVIEW, move |visit, shown| {
            visit.send(judge(shown));
        })
    }

    /// The same, with these fields in its options, and an answer that is sent by `answer` itself.
    fn answering(fields: &'static str, answer: impl Fn(&mut Visit, &Shown) + Send + Sync + 'static) -> Scanner {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let kept = shown.clone();
        let server = serve(fields, move |visit, ask: Ask| {
            let (head, inner) = (ask.head.clone(), ask.inner.clone());
            let now = Shown { head, inner, body: whole(visit, ask) };
            kept.lock().expect("shown").push(now.clone());
            answer(visit, &now);
        });
        Scanner { server, shown }
    }

    /// Finds nothing.
    fn clean() -> Scanner {
        Scanner::judging(|_| UNCHANGED.into())
    }

    /// Blocks what contains `word`, by a page of its own.
    fn finding(word: &'static str) -> Scanner {
        Scanner::judging(move |shown| if shown.text().contains(word) { blocked(PAGE) } else { UNCHANGED.into() })
    }

    /// The connections on which it was shown something: a proxy asks for OPTIONS at times, whatever the traffic.
    fn visits(&self) -> Vec<Seen> {
        self.server.seen().into_iter().filter(is_visit).collect()
    }

    /// Waits until the proxy has ended the connection of this number among those; gives all that came on it.
    fn visit_ended(&self, number: usize) -> Seen {
        visit_ended(&self.server, number)
    }

    /// Everything it was shown to its end.
    fn shown(&self) -> Vec<Shown> {
        self.shown.lock().expect("shown").clone()
    }

    /// Its settings, as `name`, for responses.
    fn named(&self, name: &str) -> IcapService {
        service(name, self.server.address())
    }

    /// Its settings, as `dlp`, for requests.
    fn of_requests(&self) -> IcapService {
        IcapService { methods: vec![IcapMethod::Reqmod], ..self.named("dlp") }
    }
}

fn is_visit(seen: &Seen) -> bool {
    seen.text().contains("MOD icap")
}

/// As [`Scanner::visit_ended`], of a server by itself.
fn visit_ended(server: &Scripted, number: usize) -> Seen {
    let of_visits = |seen: &[Seen]| seen.iter().filter(|seen| is_visit(seen)).nth(number).cloned();
    let ended = |seen: &[Seen]| of_visits(seen).is_some_and(|one| one.end.is_some());
    of_visits(&server.wait_for(&format!("the end of visit {number}"), ended)).expect("it is there")
}

/// A service at this address.
fn service(name: &str, address: SocketAddr) -> IcapService {
    let mut settings = IcapService::new(name, vec![format!("icap://{address}/{name}").parse().expect("an address")]);
    // A loaded machine is no slow server; tests that wait for a limit set it themselves.
    settings.timeouts.connect = SOON;
    settings.timeouts.queue = SOON;
    // What is shown is what the tests are about.
    settings.verdicts = VerdictUse::Asked;
    settings
}

/// A finding, told by a page.
fn blocked(page: &str) -> Vec<u8> {
    let inner = format!("HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", page.len());
    infected(&replaced(&inner, page.as_bytes()))
}

/// The answer, with a word on what was found.
fn infected(answer: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(answer);
    text.replacen("ISTag", "X-Infection-Found: Type=0; Resolution=2; Threat=Test.Virus;\r\nISTag", 1).into_bytes()
}

/// A message in the place of another: this head, this body.
fn replaced(inner: &str, body: &[u8]) -> Vec<u8> {
    let kind = if inner.starts_with("HTTP/") { "res" } else { "req" };
    let length = inner.len();
    let mut answer = match body.len() {
        0 => format!("{kind}-hdr=0, null-body={length}"),
        _ => format!("{kind}-hdr=0, {kind}-body={length}"),
    };
    answer = format!("ICAP/1.0 200 OK\r\nISTag: \"t1\"\r\nEncapsulated: {answer}\r\n\r\n{inner}");
    let mut answer = answer.into_bytes();
    if !body.is_empty() {
        answer.extend(format!("{:x}\r\n", body.len()).into_bytes());
        answer.extend_from_slice(body);
        answer.extend_from_slice(b"\r\n0\r\n\r\n");
    }
    answer
}

/// A proxy whose traffic goes through services, and its log.
struct Scene {
    proxy: Proxy,
    folder: TempDir,
}

impl Scene {
    /// These services, in this order, and nothing else.
    fn of(services: Vec<IcapService>) -> Scene {
        Scene::with(services, |_| {})
    }

    /// The same after `change`.
    fn with(services: Vec<IcapService>, change: impl FnOnce(&mut Settings)) -> Scene {
        let folder = TempDir::new().expect("a folder");
        let path = log_in(folder.path());
        let proxy = Proxy::with(|settings| {
            settings.inspect.default = services.iter().map(|service| ScannerName::Icap(service.name.clone())).collect();
            settings.icap = services;
            settings.log.access = AccessSink::File(path);
            settings.log.format = AccessFormat::Json;
            change(settings);
        });
        Scene { proxy, folder }
    }

    /// A client with this request on its way.
    fn asks(&self, request: impl AsRef<[u8]>) -> Wire {
        asking(&self.proxy, request)
    }

    /// The answer to a GET.
    fn get(&self, origin: &Scripted, path: &str) -> Answer {
        answer(&mut self.asks(get(origin.address(), path)))
    }

    /// The line of the log for exchange `number`, from 0, once there are as many.
    fn line(&self, number: usize) -> Value {
        let path = log_in(self.folder.path());
        let read = || std::fs::read_to_string(&path).unwrap_or_default();
        self.proxy.wait_until("logged", |_| read().matches('\n').count() > number);
        serde_json::from_str(read().lines().nth(number).expect("a line")).expect("JSON")
    }

    /// What the services have done.
    fn stats(&self) -> Vec<IcapStats> {
        self.proxy.app().reloader().policy().load().inspect.services.stats()
    }

    /// How many transactions of the first service ended so.
    fn ended(&self, ended: Ended) -> u64 {
        let stats = self.stats();
        stats[0].transactions.iter().filter(|(_, how, _)| *how == ended).map(|(_, _, count)| count).sum()
    }

    /// ICAP transactions that are open, of all services.
    fn open(&self) -> usize {
        self.stats().iter().map(|stats| stats.open).sum()
    }

    /// Exchanges with bytes that were not scanned for this reason.
    fn unscanned(&self, why: Unscanned) -> u64 {
        let at = Unscanned::ALL.iter().position(|one| *one == why).expect("a reason");
        self.proxy.tally().sum(|worker| worker.inspection.unscanned_bytes[at].get())
    }

    /// Waits until nothing is open any more: no client, no origin, no ICAP transaction, no body that is held.
    fn wait_until_empty(&self) {
        self.proxy.wait_until_empty();
        self.proxy.wait_until("all transactions over", |_| self.open() == 0);
        let spools = &self.proxy.app().reloader().inspection().spools;
        self.proxy.wait_until("nothing held", |_| spools.open_count() == 0);
    }

    /// The same, once this client is gone.
    fn wait_until_empty_after(&self, client: Wire) {
        drop(client);
        self.wait_until_empty();
    }

    fn closed(&self, reason: Reason) -> u64 {
        self.proxy.tally().closed(reason)
    }
}

fn log_in(folder: &Path) -> PathBuf {
    folder.join("access.log")
}

/// A line of the log: how it ended, what was seen, what came of it, and by whom.
fn told(line: &Value) -> [&str; 4] {
    ["reason", "scan", "verdict", "scanner"].map(|name| line[name].as_str().unwrap_or("-"))
}

/// An origin whose answer to every request is this body.
fn page(body: &str) -> Scripted {
    Scripted::answering(ok(body))
}

/// Bytes that are not all the same.
fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}
