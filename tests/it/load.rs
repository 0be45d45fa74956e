//! Many at once: streams that are held for long do not slow down those who only want a page.

use std::time::{Duration, Instant};

use crate::support::client::{Leaving, asking, get, tunnel};
use crate::support::origin::Origin;
use crate::support::proxy::Proxy;
use crate::support::wire::Wire;

const STREAMS: usize = 240;
const TUNNELS: usize = 60;
const READERS: usize = 8;
const PAGES: usize = 250;

/// Far more than a page needs: what is tested is that nobody has to wait for the streams.
const GENEROUS: Duration = Duration::from_secs(2);

/// A client that holds a stream, and the origin's end.
fn ticker(proxy: &Proxy, origin: &Origin) -> (Wire, Wire) {
    let mut client = asking(proxy, get(origin.address(), "/ticks"));
    let mut served = origin.accept();
    served.head();
    served.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.head();
    (client, served)
}

fn tick(held: &mut [(Wire, Wire)]) {
    for (client, served) in held {
        served.send("4\r\ntick\r\n");
        assert_eq!(client.exactly(9), b"4\r\ntick\r\n");
    }
}

#[test]
fn held_streams_do_not_disturb_new_requests() {
    let (proxy, origin) = (Proxy::start(), Origin::bind());
    let mut held: Vec<_> = (0..STREAMS).map(|_| ticker(&proxy, &origin)).collect();
    held.extend((0..TUNNELS).map(|_| tunnel(&proxy, &origin)));
    let all = (STREAMS + TUNNELS) as u64;
    assert_eq!((proxy.open().exchanges, proxy.open().upstreams), (all, all));
    tick(&mut held);
    balanced(&proxy);

    let pages = Origin::bind().serving(pages);
    let (through, target) = (proxy.address(), pages.address());
    std::thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(move || read_pages(through, target));
        }
        tick(&mut held);
    });
    tick(&mut held);

    let (clients, served): (Vec<_>, Vec<_>) = held.into_iter().unzip();
    let left: Vec<_> =
        clients.into_iter().zip(Leaving::ALL.iter().cycle()).map(|(client, leaving)| leaving.leave(client)).collect();
    served.iter().for_each(|served| assert!(served.ending().at >= left[0].at));
    // Tunnels pass a FIN on and wait for the origin's.
    drop(served);
    proxy.wait_until_empty();
    assert_eq!(proxy.tally().orphans(), 0);
}

/// No worker has far more than another (pitfall T34).
fn balanced(proxy: &Proxy) {
    let loads: Vec<u64> = proxy.tally().counters.iter().map(|worker| worker.client_connections.get()).collect();
    let (most, least) = (loads.iter().max().expect("a worker"), loads.iter().min().expect("a worker"));
    assert!(most * 2 < least * 3, "{loads:?}");
}

fn read_pages(through: std::net::SocketAddr, target: std::net::SocketAddr) {
    let mut client = Wire::connect(through);
    for page in 0..PAGES {
        let began = Instant::now();
        client.send(get(target, "/"));
        assert!(client.head().starts_with("HTTP/1.1 200 "));
        assert_eq!(client.exactly(1024), [b'p'; 1024]);
        assert!(began.elapsed() < GENEROUS, "page {page} took {:?}", began.elapsed());
    }
}

fn pages(mut served: Wire) {
    while served.next_head().is_some() {
        let answer = [b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n".as_slice(), &[b'p'; 1024]].concat();
        served.send(answer);
    }
}
