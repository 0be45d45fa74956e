//! A reload changes who is asked from the next request on; what is under way comes to its end as it began.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;

use super::*;
use crate::icap::server::{ask, options};
use crate::support::origin::Origin;
use crate::support::proxy::settings;

/// A proxy whose settings the test holds, with this service alone.
struct Changing {
    proxy: Proxy,
    settings: Arc<Mutex<Settings>>,
}

impl Changing {
    fn start(services: Vec<IcapService>) -> Changing {
        let settings = Arc::new(Mutex::new(settings()));
        set(&settings, services);
        let read = settings.clone();
        Changing { proxy: Proxy::reloading(Arc::new(move || Ok(read.lock().expect("settings").clone()))), settings }
    }

    fn reload(&self, services: Vec<IcapService>) {
        set(&self.settings, services);
        let done = self.proxy.app().reloader().reload().expect("reloaded");
        assert!(done.needs_restart.is_empty(), "{:?}", done.needs_restart);
    }

    fn get(&self, origin: &Scripted) -> Answer {
        answer(&mut asking(&self.proxy, get(origin.address(), "/a")))
    }

    fn open(&self) -> usize {
        let stats = self.proxy.app().reloader().policy().load().inspect.services.stats();
        stats.iter().map(|stats| stats.open).sum()
    }
}

fn set(settings: &Mutex<Settings>, services: Vec<IcapService>) {
    let mut settings = settings.lock().expect("settings");
    settings.inspect.default = services.iter().map(|service| ScannerName::Icap(service.name.clone())).collect();
    settings.icap = services;
}

#[test]
fn another_service_is_asked_at_once_and_what_is_under_way_stays() {
    let (say, said) = mpsc::channel::<Vec<u8>>();
    let said = Mutex::new(said);
    let slow = Scanner::answering(PREVIEW, move |visit, _| {
        visit.send(said.lock().expect("said").recv_timeout(SOON).expect("a verdict"));
    });
    let strict = Scanner::judging(|_| blocked(PAGE));
    let (origin, changing) = (page("hello"), Changing::start(vec![slow.named("av")]));
    let mut waiting = asking(&changing.proxy, get(origin.address(), "/a"));
    changing.proxy.wait_until("shown", |_| slow.shown().len() == 1);
    changing.reload(vec![strict.named("av")]);
    assert_eq!(changing.get(&origin).text(), PAGE, "the new one");
    assert_eq!(changing.open(), 1, "the old one is still counted");
    assert!(!waiting.has_more());
    say.send(UNCHANGED.into()).expect("told");
    assert_eq!(answer(&mut waiting).text(), "hello", "what is under way has its verdict of the old one");
    changing.proxy.wait_until("all over", |_| changing.open() == 0);
    slow.visit_ended(0);
    waiting.send(get(origin.address(), "/a"));
    assert_eq!(answer(&mut waiting).text(), PAGE, "the next request of the same connection");
    assert_eq!((slow.shown().len(), strict.shown().len()), (1, 2));
}

#[test]
fn nothing_scans_any_more_or_again() {
    let strict = Scanner::judging(|_| blocked(PAGE));
    let (origin, changing) = (page("hello"), Changing::start(vec![strict.named("av")]));
    assert_eq!(changing.get(&origin).text(), PAGE);
    changing.reload(Vec::new());
    assert_eq!(changing.get(&origin).text(), "hello");
    strict.visit_ended(0);
    changing.reload(vec![strict.named("av")]);
    assert_eq!(changing.get(&origin).text(), PAGE);
}

#[test]
fn a_service_that_stays_keeps_its_connections() {
    let (stays, comes) = (Scanner::clean(), Scanner::clean());
    let mut settings = stays.named("av");
    let (origin, changing) = (page("hello"), Changing::start(vec![settings.clone()]));
    // One worker in the end serves them all, whichever it is: connections belong to the thread that made them.
    let mut client = asking(&changing.proxy, get(origin.address(), "/a"));
    assert_eq!(answer(&mut client).text(), "hello");
    changing.reload(vec![settings.clone(), comes.named("dlp")]);
    client.send(get(origin.address(), "/a"));
    assert_eq!(answer(&mut client).text(), "hello");
    assert_eq!((stays.visits().len(), comes.shown().len()), (1, 1));
    settings.max_connections = 3;
    changing.reload(vec![settings]);
    client.send(get(origin.address(), "/a"));
    assert_eq!(answer(&mut client).text(), "hello");
    assert_eq!((stays.shown().len(), comes.shown().len()), (3, 1));
    stays.visit_ended(0);
}

#[test]
fn a_stream_goes_on_under_the_services_it_began_with() {
    let (before, after) = (Scanner::finding("virus"), Scanner::clean());
    let changing = Changing::start(vec![before.named("av")]);
    let origin = Origin::bind();
    let mut client = asking(&changing.proxy, get(origin.address(), "/live"));
    let mut served = origin.accept();
    served.head();
    served.send([streams::EVENTS, "data: one\n\n"].concat());
    client.head();
    assert_eq!(client.exactly(11), b"data: one\n\n");
    changing.reload(vec![after.named("other")]);
    served.send("data: two\n\n");
    assert_eq!(client.exactly(11), b"data: two\n\n");
    served.send(format!("data: virus{}\n\n", "x".repeat(64 * 1024)));
    client.rest();
    assert_eq!(changing.proxy.tally().closed(Reason::ContentCut), 1);
    assert!(after.server.seen().is_empty());
}

#[test]
fn a_new_tag_in_the_options_of_a_service_ends_what_was_kept() {
    let asked = AtomicUsize::new(0);
    let shown = Arc::new(AtomicUsize::new(0));
    let count = shown.clone();
    let server = Scripted::start(move |visit| {
        while let Some(head) = visit.head() {
            if head.starts_with("OPTIONS ") {
                let tag = if asked.fetch_add(1, Relaxed) == 0 { "t1" } else { "t2" };
                visit.send(options(PREVIEW).replace("t1", tag));
            } else if let Some(ask) = ask(visit, head) {
                whole(visit, ask);
                count.fetch_add(1, Relaxed);
                visit.send(UNCHANGED);
            }
        }
    });
    let mut settings = IcapService { verdicts: VerdictUse::Kept, ..service("av", server.address()) };
    let (origin, changing) = (page("hello"), Changing::start(vec![settings.clone()]));
    for _ in 0..2 {
        assert_eq!(changing.get(&origin).text(), "hello");
    }
    assert_eq!(shown.load(Relaxed), 1, "once is enough");
    // Other settings are a reason to ask again what the service is like.
    settings.max_connections = 3;
    changing.reload(vec![settings]);
    changing.proxy.wait_until("shown again", |_| {
        assert_eq!(changing.get(&origin).text(), "hello");
        shown.load(Relaxed) == 2
    });
}
