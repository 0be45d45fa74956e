//! One connection while it is served: what came is taken, answers go out, and so on until it ends.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::Instant;
use tracing::info;

use super::IcapPort;
use super::account::Account;
use super::transaction::Transaction;
use crate::flow::services::Services;
use crate::icap::head::legible;
use crate::icap::server::conversation::{Conversation, Waits};
use crate::icap::server::refusal::Refusal;
use crate::net::socket::reset_on_drop;
use crate::observe::icap_server::{Asked, Outcome};
use crate::tether::tie::Tether;

/// A connection while it is served. It owns everything that was made for it.
pub(super) struct Session<'a> {
    pub(super) peer: &'a TcpStream,
    pub(super) services: &'a Services,
    pub(super) port: &'a IcapPort,
    pub(super) tether: &'a Tether,
    pub(super) talk: Conversation,
    /// What was received and not looked at yet.
    pub(super) ahead: Vec<u8>,
    /// In a box: most connections have none.
    pub(super) transaction: Option<Box<Transaction>>,
    /// Transactions so far.
    pub(super) begun: u32,
    pub(super) fate: Fate,
    /// When the request head under way began; none when there is none.
    pub(super) head_began: Option<Instant>,
    /// When the peer last sent something, or was answered.
    pub(super) active: Instant,
}

/// Whether and how a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It does.
    Open,
    /// It ends here and now, in the middle of an answer: nothing may look like an end of it.
    Cut,
}

impl<'a> Session<'a> {
    pub fn new(peer: &'a TcpStream, services: &'a Services, port: &'a IcapPort, tether: &'a Tether) -> Self {
        let talk = Conversation::new(services.policy.load().inspect.filter.istag.clone());
        let (ahead, transaction, fate) = (Vec::new(), None, Fate::Open);
        let (begun, head_began, active) = (0, None, Instant::now());
        Self { peer, services, port, tether, talk, ahead, transaction, begun, fate, head_began, active }
    }

    /// Serves until either side ends it.
    pub async fn run(&mut self, refused: Option<Refusal>) {
        if let Some(refusal) = refused {
            self.refuse(refusal);
        }
        loop {
            if self.fate == Fate::Cut || self.flush().await.is_err() {
                reset_on_drop(self.peer);
                return;
            }
            if self.is_over() {
                return self.linger().await;
            }
            match self.receive().await {
                Came::Bytes => self.take_in().await,
                Came::Time => self.on_time(),
                Came::End => return,
            }
        }
    }

    /// Whether no more is read.
    pub(super) fn is_over(&self) -> bool {
        let between = self.transaction.is_none() && self.talk.waits() != Waits::Heads;
        self.fate == Fate::Cut || self.talk.closes() && between
    }

    /// A wait is over: something held may have to go on, or the peer was silent for too long.
    fn on_time(&mut self) {
        let now = Instant::now();
        if now < self.deadline() {
            if let Some(transaction) = &mut self.transaction {
                transaction.decide(now.into_std(), &mut self.talk);
            }
            return;
        }
        match &self.transaction {
            Some(transaction) if transaction.is_going_back() => self.close_transaction(Outcome::TimedOut),
            // A peer that lets pass what could not be judged is not told less than is known.
            Some(transaction) if transaction.has_found() => {
                let outcome = transaction.block(&mut self.talk);
                self.close_transaction(outcome);
            }
            Some(_) => {
                self.talk.refuse(Refusal::Timeout);
                self.close_transaction(Outcome::TimedOut);
            }
            None if self.talk.waits() == Waits::Heads => self.refuse(Refusal::Timeout),
            // Nothing was asked, so nothing is answered.
            None => self.talk.close(),
        }
    }

    /// Refuses what came, whatever it was, and ends the connection; in the middle of an answer without a word.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        info!(peer = %self.tether.row().client(), listener = %self.port.settings.name, refusal = refusal.label(), "ICAP request refused");
        if self.transaction.as_ref().is_some_and(|transaction| transaction.is_going_back()) {
            return self.close_transaction(Outcome::Refused);
        }
        self.talk.refuse(refusal);
        match self.transaction {
            Some(_) => self.close_transaction(Outcome::Refused),
            None => self.count(Asked::Unread, Outcome::Refused),
        }
    }

    /// Counts what is no transaction about a message.
    pub(super) fn count(&self, asked: Asked, outcome: Outcome) {
        Account::open(&self.services.counters, asked).close(outcome);
    }

    /// The transaction under way is over.
    pub(super) fn close_transaction(&mut self, outcome: Outcome) {
        let Some(transaction) = self.transaction.take() else { return };
        let is_whole = matches!(outcome, Outcome::Unchanged | Outcome::StreamPassed | Outcome::Echoed);
        if transaction.is_going_back() && !is_whole {
            self.fate = Fate::Cut;
        }
        self.active = Instant::now();
        self.log(&transaction, outcome);
        transaction.close(outcome);
    }

    /// One line for each message.
    fn log(&self, transaction: &Transaction, outcome: Outcome) {
        if self.services.log.is_on() {
            let told = transaction.told(self.begun, self.talk.status(), outcome, Instant::now().into_std());
            self.services.log.write_icap(self.tether.row(), &told);
        }
    }

    /// Shows in the live table where the message goes to or comes from.
    pub(super) fn show(&self, url: &[u8]) {
        let row = self.tether.row();
        row.begin(Instant::now().into_std());
        row.set_destination(&Arc::from(host(url)));
    }
}

impl Drop for Session<'_> {
    /// The peer has gone, or the worker goes: what is still under way has its end, and its line, all the same.
    fn drop(&mut self) {
        self.close_transaction(Outcome::Aborted);
    }
}

/// What a wait ended with.
pub(super) enum Came {
    /// Bytes.
    Bytes,
    /// It is time for something.
    Time,
    /// The peer is done, or we are.
    End,
}

/// The host and port of a URL, fit to be shown.
fn host(url: &[u8]) -> String {
    let rest = memchr::memmem::find(url, b"://").map_or(url, |at| &url[at + 3..]);
    legible(rest.split(|byte| matches!(byte, b'/' | b'?')).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_to_show() {
        for (url, shown) in [("http://o.test:81/p?q", "o.test:81"), ("o.test:443", "o.test:443"), ("/p", ""), ("", "")]
        {
            assert_eq!(host(url.as_bytes()), shown);
        }
    }
}
