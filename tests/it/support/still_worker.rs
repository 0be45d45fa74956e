//! The sessions of a worker in the test's own thread, on a clock that only the test moves: hours of waiting in no time.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tether::app::reload::Reloader;
use tether::app::slots::Slots;
use tether::config::settings::Settings;
use tether::flow::services::Services;
use tether::flow::session::serve;
use tether::net::pipe::PipePool;
use tether::net::resolver::Resolver;
use tether::net::resolver::settings::ResolverSettings;
use tether::net::scratch::{BufferPool, Scratch};
use tether::observe::access_log::AccessLog;
use tether::observe::counters::WorkerCounters;
use tether::observe::ends::{EndRing, Entry, ExchangeEnd};
use tether::observe::live::LiveTable;
use tether::tether::drain::Drain;
use tether::upstream::connection::IdleNews;
use tether::upstream::pool::Pool;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};

use super::proxy::{SOON, settings};

/// A worker that serves whom the test hands to it.
pub struct StillWorker {
    services: Rc<Services>,
    listener: Arc<str>,
    clients: TcpListener,
    accepted: Cell<u64>,
}

/// Runs `test` with a worker whose settings are those of all tests after `change`. The clock stands still until the test
/// advances it.
pub fn standing_still(change: impl FnOnce(&mut Settings), test: impl AsyncFnOnce(StillWorker)) {
    let mut settings = settings();
    change(&mut settings);
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build_local(LocalOptions::default());
    runtime.expect("a runtime").block_on(async {
        // A runtime with nothing to do moves a paused clock by itself, unless something blocks.
        let (done, is_done) = mpsc::channel::<()>();
        let blocking = tokio::task::spawn_blocking(move || is_done.recv());
        // The test's own patience is measured by a thread: tokio's clock stands.
        let watched = std::thread::spawn(deadline(done.clone()));
        test(StillWorker::new(settings).await).await;
        drop(done);
        watched.thread().unpark();
        watched.join().expect("the test ended in time");
        let _ = blocking.await;
    });
}

/// Ends the whole process when the test hangs: nothing else can, for its thread may wait for a byte for ever.
fn deadline(running: mpsc::Sender<()>) -> impl FnOnce() {
    move || {
        drop(running);
        let began = std::time::Instant::now();
        std::thread::park_timeout(3 * SOON);
        if began.elapsed() >= 3 * SOON {
            eprintln!("the test waits for something that does not come");
            std::process::abort();
        }
    }
}

impl StillWorker {
    async fn new(settings: Settings) -> StillWorker {
        let listener = settings.forward[0].name.clone();
        let reloader = Reloader::new(settings, Vec::new(), Slots::of(1024), None).expect("a reloader");
        let counters = Arc::new(WorkerCounters::default());
        let news = IdleNews { learned: Arc::default(), ends: EndRing::for_workers(1).remove(0) };
        let tuning = reloader.tuning().borrow().clone();
        let services = Rc::new(Services {
            tuning,
            policy: reloader.policy(),
            limits: reloader.limits().clone(),
            sources: Arc::default(),
            inspection: reloader.inspection().clone(),
            overload: Arc::default(),
            news: news.clone(),
            pool: Pool::new(news, counters.clone()),
            pseudonym: "tether-test".into(),
            nothing: "".into(),
            scratch: Rc::new(Scratch::default()),
            decoded: Rc::new(Scratch::default()),
            buffers: Rc::new(BufferPool::default()),
            pipes: PipePool::new(counters.clone()),
            counters,
            live: LiveTable::new(std::time::Instant::now()),
            log: AccessLog::off(),
            resolver: Resolver::with_name_servers(&ResolverSettings::default(), &[]).expect("a resolver"),
            drain: Rc::new(Drain::default()),
        });
        let clients = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        StillWorker { services, listener, clients, accepted: Cell::new(0) }
    }

    /// A client that was here for a while and now sends `bytes`, and where `end` says so its FIN with them: the worker
    /// sees both at once.
    pub async fn client(&self, bytes: &str, end: SendingEnd) -> TcpStream {
        let to = self.clients.local_addr().expect("an address");
        let (client, accepted) = tokio::join!(TcpStream::connect(to), self.clients.accept());
        let (mut client, (accepted, peer)) = (client.expect("connect"), accepted.expect("accept"));
        self.accepted.set(self.accepted.get() + 1);
        let row = self.services.live.insert(self.accepted.get(), peer, self.listener.clone(), &self.services.nothing);
        drop(tokio::task::spawn_local(serve(accepted, row, self.services.clone())));
        self.wait(Duration::ZERO).await;
        client.write_all(bytes.as_bytes()).await.expect("a request");
        if end == SendingEnd::Fin {
            client.shutdown().await.expect("a FIN");
        }
        client
    }

    /// A client in a tunnel, and the origin's end of it.
    pub async fn tunnel(&self, origin: &TcpListener) -> (TcpStream, TcpStream) {
        let to = origin.local_addr().expect("an address");
        let connect = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
        let (mut client, served) = tokio::join!(self.client(&connect, SendingEnd::Open), origin.accept());
        let head = read_head(&mut client).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        (client, served.expect("accept").0)
    }

    /// Moves the clock, and lets everybody do what is due then.
    pub async fn wait(&self, time: Duration) {
        tokio::time::advance(time).await;
        for _ in 0..5 {
            // While a thread is waited for, the runtime looks at its sockets.
            let _ = tokio::task::spawn_blocking(std::thread::yield_now).await;
        }
    }

    /// The exchanges and tunnels that have ended, oldest first.
    pub fn ends(&self) -> Vec<ExchangeEnd> {
        let ends = self.services.news.ends.select(|_| true).into_iter();
        let exchange = |entry| match entry {
            Entry::Exchange(end) => Some(end),
            Entry::Kept(_) => None,
        };
        let mut ends: Vec<_> = ends.filter_map(exchange).collect();
        ends.sort_by_key(|end| end.connection);
        ends
    }

    /// The only end there is.
    pub fn end(&self) -> ExchangeEnd {
        let mut ends = self.ends();
        assert_eq!(ends.len(), 1, "{ends:?}");
        ends.remove(0)
    }
}

/// Whether a client goes on sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendingEnd {
    /// It may.
    Open,
    /// It has sent FIN.
    Fin,
}

/// A port of an origin on loopback.
pub async fn origin() -> (TcpListener, SocketAddr) {
    let origin = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = origin.local_addr().expect("an address");
    (origin, address)
}

/// Reads a head, byte for byte, its empty line included.
pub async fn read_head(from: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await.unwrap_or_else(|_| panic!("ended in {:?}", String::from_utf8_lossy(&head))));
    }
    String::from_utf8(head).expect("a head in UTF-8")
}

/// Reads to the end, which is a FIN.
pub async fn read_rest(from: &mut TcpStream) -> String {
    let mut rest = String::new();
    from.read_to_string(&mut rest).await.expect("an end by FIN");
    rest
}
