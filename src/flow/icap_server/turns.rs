//! What came is looked at, a slice at a time, and answered.

use tokio::task::yield_now;
use tokio::time::Instant;

use super::session::Session;
use super::transaction::Transaction;
use crate::icap::server::conversation::{Event, Waits};
use crate::icap::server::refusal::Refusal;
use crate::icap::server::subject::Subject;
use crate::icap::settings::IcapMethod;
use crate::inspect::body::Wants;
use crate::limits::overload::Level;
use crate::observe::icap_server::{Asked, Outcome};

impl Session<'_> {
    /// Takes everything that was received.
    pub(super) async fn take_in(&mut self) {
        let mut input = std::mem::take(&mut self.ahead);
        let mut rest = &input[..];
        while !self.is_over() {
            match self.talk.next(&mut rest) {
                Ok(Event::More) => {
                    self.settle();
                    break;
                }
                Ok(Event::Options(service)) => self.tell_options(service),
                Ok(Event::Judge(subject)) => self.begin(subject),
                Ok(Event::Data(piece)) => self.take_data(piece).await,
                Ok(Event::PreviewEnd) => self.preview_end(),
                Ok(Event::End) => self.whole(),
                Err(refusal) => self.refuse(refusal),
            }
        }
        self.services.buffers.put(&mut input);
        self.note_head();
    }

    /// The clock of a head runs from its first byte.
    fn note_head(&mut self) {
        self.head_began = match self.talk.waits() {
            Waits::Heads => self.head_began.or_else(|| Some(Instant::now())),
            _ => None,
        };
    }

    fn tell_options(&mut self, service: IcapMethod) {
        self.freshen();
        self.talk.options(service, self.port.settings.max_connections);
        self.count(Asked::Options, Outcome::Told);
    }

    /// Answers go with the newest rules, and are the last ones while the worker goes down.
    fn freshen(&mut self) {
        self.head_began = None;
        self.active = Instant::now();
        self.talk.set_istag(self.services.policy.load().inspect.filter.istag.clone());
        if self.services.drain.is_draining() {
            self.talk.close();
        }
    }

    fn begin(&mut self, subject: Box<Subject>) {
        self.freshen();
        let now = Instant::now().into_std();
        self.begun += 1;
        self.show(&subject.url());
        let filter = self.services.policy.load().inspect.filter.clone();
        self.transaction = Some(Box::new(Transaction::begin(subject, filter, &self.services.counters, now)));
        if self.services.overload.level() >= Level::ShedScans {
            self.services.overload.count(Level::ShedScans, 1);
            self.refuse(Refusal::Overloaded);
        }
    }

    /// Inspects more of a body, then holds it or sends it back.
    async fn take_data(&mut self, piece: &[u8]) {
        let Some(transaction) = &mut self.transaction else { return };
        let mut left = piece;
        loop {
            let (used, next) = self.services.scratch.with(|out| transaction.inspect(left, out));
            left = &left[used..];
            if next == Wants::Input {
                break;
            }
            // Others have their turn between two slices.
            yield_now().await;
        }
        transaction.take(piece, Instant::now().into_std(), &mut self.talk);
    }

    fn preview_end(&mut self) {
        let Some(transaction) = &mut self.transaction else { return };
        if let Some(outcome) = transaction.preview_end(Instant::now().into_std(), &mut self.talk) {
            self.close_transaction(outcome);
        }
    }

    fn whole(&mut self) {
        let Some(transaction) = &mut self.transaction else { return };
        let outcome = transaction.whole(&mut self.talk);
        self.close_transaction(outcome);
    }

    /// Something was found and the body is not over in what came: its end is not waited for.
    fn settle(&mut self) {
        if let Some(transaction) = self.transaction.as_ref().filter(|transaction| transaction.is_settled()) {
            let outcome = transaction.block(&mut self.talk);
            self.close_transaction(outcome);
        }
    }
}
