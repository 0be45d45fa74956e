//! The resolver against name servers that answer, fail, keep silent and come back.

mod server;

use std::pin::Pin;
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hickory_resolver::proto::rr::RecordType;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::server::{Mode, NameServer};
use super::backend::system::{MOST_THREADS, SystemBackend};
use super::*;

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(300);

fn settings(deadline: Duration) -> ResolverSettings {
    ResolverSettings { deadline, ..ResolverSettings::default() }
}

fn resolver_on(server: &NameServer, deadline: Duration) -> Resolver {
    Resolver::with_name_servers(&settings(deadline), &[server.address]).unwrap()
}

fn texts(outcome: Outcome) -> Vec<String> {
    outcome.unwrap().iter().map(IpAddr::to_string).collect()
}

/// Polls a resolve once, so that the question is on its way.
fn begin<'a>(resolver: &'a Resolver, name: &'a str) -> Pin<Box<dyn Future<Output = Outcome> + 'a>> {
    let mut waiting = Box::pin(resolver.resolve(name));
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(waiting.as_mut().poll(&mut context), Poll::Pending), "{name} was known");
    waiting
}

fn assert_handle_crosses_threads<T: Clone + Send + Sync + 'static>(_: &T) {}

#[tokio::test]
async fn a_hundred_who_ask_for_one_name_make_one_lookup() {
    let server = NameServer::start(Mode::Held);
    let resolver = resolver_on(&server, LONG);
    assert_handle_crosses_threads(&resolver);
    let waiting: Vec<_> = (0..100).map(|_| begin(&resolver, "one.example")).collect();
    // Asks keep their order: when the question of this last one has come, all hundred are waiting.
    let last = begin(&resolver, "last.example");
    server.wait_for_questions(4);
    server.set(Mode::Answer(60));
    for outcome in waiting {
        assert_eq!(texts(outcome.await), ["2001:db8::1", "192.0.2.1"]);
    }
    assert!(last.await.is_ok());
    assert_eq!(resolver.stats().lookups, 2);
    assert_eq!(resolver.stats().cache_hits, 0);
    assert_eq!(server.asked("one.example.", RecordType::A), 1);
    assert_eq!(server.asked("one.example.", RecordType::AAAA), 1);
}

#[tokio::test]
async fn an_answer_is_kept_and_a_kept_answer_needs_no_waiting() {
    let server = NameServer::start(Mode::Answer(60));
    let resolver = resolver_on(&server, LONG);
    assert_eq!(resolver.cached("kept.example"), None);
    let first = resolver.resolve("kept.example").await;
    assert_eq!(resolver.cached("kept.example"), Some(first.clone()));
    assert_eq!(resolver.resolve("kept.example.").await, first, "a trailing dot is the same name");
    assert_eq!(server.asked("kept.example.", RecordType::A), 1);
    let expected = ResolverStats { lookups: 1, cache_hits: 2, failures: 0, in_flight: 0 };
    assert_eq!(ResolverStats { in_flight: 0, ..resolver.stats() }, expected);
}

#[tokio::test]
async fn a_missing_name_is_kept_as_missing() {
    let server = NameServer::start(Mode::Missing(60));
    let resolver = resolver_on(&server, LONG);
    assert_eq!(resolver.resolve("nobody.example").await, Err(ResolveError::NotFound));
    server.set(Mode::Answer(60));
    assert_eq!(resolver.resolve("nobody.example").await, Err(ResolveError::NotFound));
    assert_eq!(server.asked("nobody.example.", RecordType::A), 1);
    assert_eq!(resolver.stats().failures, 0);
}

#[tokio::test]
async fn broken_servers_are_a_failure() {
    let server = NameServer::start(Mode::Broken);
    let resolver = resolver_on(&server, LONG);
    assert_eq!(resolver.resolve("any.example").await, Err(ResolveError::Failed));
    assert_eq!(resolver.stats().failures, 1);
}

#[tokio::test]
async fn silent_servers_are_a_timeout_at_the_deadline() {
    let server = NameServer::start(Mode::Silent);
    let resolver = resolver_on(&server, SHORT);
    let began = Instant::now();
    assert_eq!(resolver.resolve("any.example").await, Err(ResolveError::Timeout));
    let took = began.elapsed();
    assert!(took >= SHORT / 2 && took < SHORT * 10, "{took:?}");
    assert_eq!(resolver.stats().failures, 1);
}

#[tokio::test]
async fn a_network_that_swallows_aaaa_costs_a_moment_only() {
    let server = NameServer::start(Mode::OnlyV4(60));
    let resolver = resolver_on(&server, LONG);
    let outcome = timeout(Duration::from_secs(5), resolver.resolve("old.example")).await.unwrap();
    assert_eq!(texts(outcome), ["192.0.2.1"]);
}

#[tokio::test]
async fn an_answer_too_long_for_udp_comes_by_tcp() {
    let server = NameServer::start(Mode::Long);
    let resolver = resolver_on(&server, LONG);
    let found = resolver.resolve("long.example").await.unwrap();
    assert_eq!(found.len(), 32);
    assert_eq!(found.iter().filter(|address| address.is_ipv4()).count(), 16);
}

#[tokio::test]
async fn a_waiter_who_leaves_does_not_end_the_lookup() {
    let server = NameServer::start(Mode::Held);
    let resolver = resolver_on(&server, LONG);
    drop(begin(&resolver, "left.example"));
    server.wait_for_questions(2);
    server.set(Mode::Answer(60));
    assert_eq!(texts(resolver.resolve("left.example").await), ["2001:db8::1", "192.0.2.1"]);
    assert_eq!(resolver.stats().lookups, 1, "the second one found the lookup of the first");
    assert_eq!(server.asked("left.example.", RecordType::A), 1);
}

#[tokio::test]
async fn two_thousand_who_left_a_black_hole_do_not_stand_in_the_way() {
    let server = NameServer::start(Mode::Silent);
    let resolver = resolver_on(&server, LONG);
    let names: Vec<String> = (0..2_000).map(|number| format!("n{number}.example")).collect();
    let waiting: Vec<_> = names.iter().map(|name| begin(&resolver, name)).collect();
    server.wait_for_questions(2);
    drop(waiting);
    server.set(Mode::Answer(60));
    // The deadline of 30 s frees nothing within these 2 s: only giving up what nobody waits for can.
    let next = timeout(Duration::from_secs(2), resolver.resolve("next.example")).await;
    assert_eq!(texts(next.expect("the next lookup waits behind those who left")), ["2001:db8::1", "192.0.2.1"]);
}

#[tokio::test]
async fn fixed_and_loopback_names_need_no_server() {
    let server = NameServer::start(Mode::Answer(60));
    let mut settings = settings(LONG);
    settings.hosts.insert("printer.example".into(), vec!["192.0.2.99".parse().unwrap()]);
    settings.hosts.insert("dev.localhost".into(), vec!["192.0.2.98".parse().unwrap()]);
    let resolver = Resolver::with_name_servers(&settings, &[server.address]).unwrap();
    assert_eq!(texts(resolver.cached("printer.example.").unwrap()), ["192.0.2.99"]);
    assert_eq!(texts(resolver.resolve("printer.example").await), ["192.0.2.99"]);
    assert_eq!(texts(resolver.resolve("dev.localhost").await), ["192.0.2.98"]);
    for name in ["localhost", "localhost.", "a.b.localhost", "LOCALHOST"] {
        assert_eq!(texts(resolver.resolve(name).await), ["::1", "127.0.0.1"], "{name}");
    }
    assert_eq!(resolver.cached("notlocalhost"), None);
    assert_eq!(resolver.stats().lookups, 0);
}

#[tokio::test]
async fn names_that_cannot_exist_are_not_asked_for() {
    let server = NameServer::start(Mode::Answer(60));
    let resolver = resolver_on(&server, LONG);
    let too_long = format!("{}example", "a.".repeat(124));
    let label_too_long = format!("{}.example", "a".repeat(64));
    for name in ["", ".", "a..example", &too_long, &label_too_long] {
        assert_eq!(resolver.resolve(name).await, Err(ResolveError::NotFound), "{name}");
    }
    let longest = &too_long[2..];
    assert_eq!(longest.len(), 253);
    assert!(resolver.resolve(longest).await.is_ok(), "253 bytes are allowed");
    assert_eq!(server.asked(&format!("{longest}."), RecordType::A), 1);
}

#[tokio::test]
async fn the_thread_ends_with_the_last_handle_even_in_mid_lookup() {
    let server = NameServer::start(Mode::Silent);
    let backend = Backend::with_name_servers(&[server.address], LONG).unwrap();
    let (resolver, thread) = Resolver::with_backend(&settings(LONG), backend).unwrap();
    let other = resolver.clone();
    drop(begin(&resolver, "any.example"));
    drop(resolver);
    assert_eq!(other.resolve("localhost").await.unwrap().len(), 2, "one handle is left");
    assert!(!thread.is_finished());
    drop(other);
    let ended = async {
        while !thread.is_finished() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG / 3, ended).await.expect("the thread goes on without handles");
    thread.join().unwrap();
}

// === System backend ===

/// A `getaddrinfo` that hangs until told to go on, and counts its calls.
#[derive(Default)]
struct Stuck {
    state: Mutex<StuckState>,
    changed: Condvar,
}

#[derive(Default)]
struct StuckState {
    inside: usize,
    calls: usize,
    released: bool,
}

impl Stuck {
    fn call(&self) -> io::Result<Vec<IpAddr>> {
        let mut state = self.state.lock().unwrap();
        state.inside += 1;
        state.calls += 1;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| !state.released).unwrap();
        state.inside -= 1;
        Ok(vec!["192.0.2.5".parse().unwrap()])
    }

    fn wait_for_calls(&self, calls: usize) {
        let state = self.state.lock().unwrap();
        let (state, _timed) = self.changed.wait_timeout_while(state, LONG, |state| state.inside < calls).unwrap();
        assert_eq!(state.inside, calls);
    }

    fn release(&self) {
        self.state.lock().unwrap().released = true;
        self.changed.notify_all();
    }

    fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }
}

fn resolver_on_stuck_calls(deadline: Duration) -> (Resolver, Arc<Stuck>) {
    let stuck = Arc::new(Stuck::default());
    let calls = Arc::clone(&stuck);
    let backend = Backend::System(SystemBackend::calling(move |_| calls.call()));
    let (resolver, _thread) = Resolver::with_backend(&settings(deadline), backend).unwrap();
    (resolver, stuck)
}

#[tokio::test]
async fn stuck_system_calls_do_not_pile_up_and_others_time_out() {
    let (resolver, stuck) = resolver_on_stuck_calls(Duration::from_secs(1));
    let names: Vec<String> = (0..MOST_THREADS * 3).map(|number| format!("n{number}.example")).collect();
    let waiting: Vec<_> = names.iter().map(|name| begin(&resolver, name)).collect();
    for outcome in waiting {
        assert_eq!(outcome.await, Err(ResolveError::Timeout));
    }
    stuck.wait_for_calls(MOST_THREADS);
    stuck.release();
    assert_eq!(texts(resolver.resolve("after.example").await), ["192.0.2.5"]);
    assert_eq!(stuck.calls(), MOST_THREADS + 1, "lookups that ran out of time before their turn make no call");
}

#[tokio::test]
async fn lookups_are_bounded_and_those_too_many_fail_at_once() {
    let (resolver, stuck) = resolver_on_stuck_calls(LONG);
    let names: Vec<String> = (0..MOST_LOOKUPS + 10).map(|number| format!("n{number}.example")).collect();
    let mut all = JoinSet::new();
    for name in names {
        let resolver = resolver.clone();
        all.spawn(async move { resolver.resolve(&name).await });
    }
    for _ in 0..10 {
        let refused = all.join_next().await.unwrap().unwrap();
        assert_eq!(refused, Err(ResolveError::Failed), "nothing else can end while all calls are stuck");
    }
    let all_in_flight = async {
        while resolver.stats().in_flight < MOST_LOOKUPS as u64 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, all_in_flight).await.expect("the others are in flight");
    assert_eq!(resolver.stats().in_flight, MOST_LOOKUPS as u64);
    assert_eq!(resolver.stats().failures, 10);
    stuck.release();
    assert!(all.join_all().await.iter().all(Outcome::is_ok), "the others were not harmed");
}

#[tokio::test]
async fn a_panic_in_a_lookup_is_a_failure_and_no_more() {
    let (seen, calls) = std_mpsc::channel();
    let backend = Backend::System(SystemBackend::calling(move |name| {
        seen.send(name.to_owned()).unwrap();
        assert_ne!(name, "bad.example", "this panic is meant");
        Ok(vec!["192.0.2.6".parse().unwrap()])
    }));
    let (resolver, _thread) = Resolver::with_backend(&settings(LONG), backend).unwrap();
    assert_eq!(resolver.resolve("bad.example").await, Err(ResolveError::Failed));
    assert_eq!(texts(resolver.resolve("good.example").await), ["192.0.2.6"]);
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), ["bad.example", "good.example"]);
}
