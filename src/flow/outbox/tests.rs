//! What is held can be sent again exactly, whatever the first socket took of it.

use std::future::poll_fn;
use std::io::Read;
use std::thread::JoinHandle;

use proptest::prelude::*;
use tokio::net::TcpStream;
use tokio::runtime::Builder;

use super::*;

/// A socket, and all that its other end gets before the end. The first reads only behind `reads`.
fn pair() -> (TcpStream, JoinHandle<Vec<u8>>, std::sync::mpsc::Sender<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let own = std::net::TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    let (mut other, _) = listener.accept().expect("accept");
    own.set_nonblocking(true).expect("non-blocking");
    // A small buffer, so that bytes wait.
    socket2::SockRef::from(&own).set_send_buffer_size(8192).expect("size");
    let (go, reads) = std::sync::mpsc::channel();
    let got = std::thread::spawn(move || {
        let _ = reads.recv();
        let mut bytes = Vec::new();
        let _ = other.read_to_end(&mut bytes);
        bytes
    });
    (TcpStream::from_std(own).expect("a socket"), got, go)
}

/// How bytes come into the outbox.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Appended, and sent with the next that are.
    Appended,
    /// Appended, and sent as far as they can be.
    Flushed,
    /// Sent through.
    Through,
}

fn pieces() -> impl Strategy<Value = Vec<(Way, usize)>> {
    let way = prop_oneof![Just(Way::Appended), Just(Way::Flushed), Just(Way::Through)];
    proptest::collection::vec((way, prop_oneof![0..100usize, 0..30_000usize]), 1..12)
}

struct Desk {
    outbox: Outbox,
    pool: BufferPool,
    said: Vec<u8>,
    sent: u64,
}

impl Desk {
    fn put(&mut self, (way, size): (Way, usize), socket: &TcpStream, cx: &mut Context<'_>) {
        let piece: Vec<u8> = (0..size).map(|at| ((self.said.len() + at) * 31 % 251) as u8).collect();
        self.said.extend_from_slice(&piece);
        match way {
            Way::Through => {
                self.outbox.poll_send_through(&piece, socket, &self.pool, cx, &mut self.sent).expect("open");
            }
            Way::Appended | Way::Flushed => self.outbox.buffer(&self.pool).extend_from_slice(&piece),
        }
        if let Way::Flushed = way
            && let Poll::Ready(done) = self.outbox.poll_flush(socket, &self.pool, cx, &mut self.sent)
        {
            done.expect("open");
        }
    }

    async fn flush(&mut self, socket: &TcpStream) {
        let Self { outbox, pool, sent, .. } = self;
        poll_fn(|cx| outbox.poll_flush(socket, pool, cx, sent)).await.expect("open");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_held_is_sent_again_exactly(head in 1..2000usize, before in pieces(), after in pieces(), most in 1..60_000usize) {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (first, taken, go) = pair();
            let mut desk = Desk { outbox: Outbox::default(), pool: BufferPool::default(), said: Vec::new(), sent: 0 };
            desk.put((Way::Appended, head), &first, &mut Context::from_waker(std::task::Waker::noop()));
            desk.outbox.retain(most);
            poll_fn(|cx| {
                before.iter().for_each(|piece| desk.put(*piece, &first, cx));
                Poll::Ready(())
            }).await;
            let whole = desk.said.len() <= head + most;
            prop_assert_eq!(desk.outbox.is_retaining(), whole);
            let waiting = desk.outbox.len();
            prop_assert_eq!(desk.outbox.rewind(), whole);
            prop_assert_eq!(desk.outbox.len(), if whole { desk.said.len() } else { waiting });
            let sent_first = desk.sent;
            if !whole {
                // Nothing is lost: it all goes on to the first.
                go.send(()).expect("a reader");
                desk.flush(&first).await;
                drop(first);
                prop_assert_eq!(&taken.join().expect("a reader"), &desk.said);
                return Ok(());
            }
            let (second, again, ready) = pair();
            desk.outbox.forget(&desk.pool);
            ready.send(()).expect("a reader");
            poll_fn(|cx| {
                after.iter().for_each(|piece| desk.put(*piece, &second, cx));
                Poll::Ready(())
            }).await;
            desk.flush(&second).await;
            drop(second);
            prop_assert_eq!(&again.join().expect("a reader"), &desk.said);
            prop_assert_eq!(desk.outbox.bytes.capacity(), 0, "nothing is held any more");
            drop(first);
            go.send(()).expect("a reader");
            let taken = taken.join().expect("a reader");
            prop_assert!(taken.len() as u64 == sent_first && desk.said.starts_with(&taken));
            Ok(())
        })?;
    }
}
