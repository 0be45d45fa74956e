//! The ICAP client against servers on real sockets: good ones, odd ones, slow ones, and such as break everything.

mod failing;
mod notices;
mod odd;
mod pool;
mod reach;
mod relay;
pub mod server;
mod stats;
mod transfers;

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tether::icap::body::{BodyLength, BodySource, InMemory};
use tether::icap::client::IcapClient;
use tether::icap::error::{ErrorKind, IcapError};
use tether::icap::message::Message;
use tether::icap::outcome::{Judgement, Outcome};
use tether::icap::settings::IcapService;

use self::server::{Ask, serve};
use super::support::proxy::SOON;
use super::support::script::Scripted;

/// A limit that is waited for in a test.
const SHORT: Duration = Duration::from_millis(200);

fn service(servers: &[&Scripted]) -> IcapService {
    let url = |server: &&Scripted| format!("icap://{}/respmod", server.address()).parse().expect("an address");
    let mut settings = IcapService::new("av", servers.iter().map(url).collect());
    // A loaded machine is no slow server; tests that wait for a limit set it themselves.
    settings.timeouts.connect = SOON;
    settings.timeouts.queue = SOON;
    settings
}

fn client(server: &Scripted) -> Arc<IcapClient> {
    IcapClient::new(service(&[server]))
}

/// Runs on one thread, as a worker does, and not for ever.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(SOON, test).await.expect("in time") })
}

async fn scan(client: &IcapClient, body: &[u8]) -> Result<Judgement, IcapError> {
    let message = Message::file("a.bin", body.len() as u64).expect("a message");
    let outcome = client.adapt(&message, InMemory(body)).await?;
    let judgement = outcome.judgement(message.status());
    if let Outcome::Replaced { mut body, .. } = outcome {
        body.collect(1 << 30).await?;
    }
    Ok(judgement)
}

/// Scans and gives the body that is to take the place of `body`.
async fn replaced(client: &IcapClient, body: &[u8]) -> Result<Vec<u8>, IcapError> {
    let message = Message::file("a.bin", body.len() as u64).expect("a message");
    match client.adapt(&message, InMemory(body)).await? {
        Outcome::Replaced { mut body, .. } => body.collect(1 << 30).await,
        Outcome::Unchanged { .. } => panic!("not replaced"),
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, IcapError>) -> ErrorKind {
    result.expect_err("a failure").kind
}

/// A body that stops coming after some bytes, or fails there.
struct Stuck {
    bytes: &'static [u8],
    then: Then,
}

#[derive(Clone, Copy)]
enum Then {
    Waits,
    Fails,
    Ends,
}

impl BodySource for Stuck {
    fn length(&self) -> BodyLength {
        BodyLength::Known(1 << 20)
    }

    fn poll_read_at(&mut self, _: &mut Context<'_>, at: u64, buffer: &mut [u8]) -> Poll<std::io::Result<usize>> {
        let rest = &self.bytes[at as usize..];
        match (rest.is_empty(), self.then) {
            (true, Then::Waits) => Poll::Pending,
            (true, Then::Fails) => Poll::Ready(Err(std::io::ErrorKind::Other.into())),
            (true, Then::Ends) => Poll::Ready(Ok(0)),
            (false, _) => {
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                Poll::Ready(Ok(count))
            }
        }
    }
}
