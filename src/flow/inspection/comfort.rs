//! What the client of a file sees while it is held, so that it does not give up: a page, or a few bytes of it.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Inspection;
use super::progress::Progress;
use crate::base::reason::Reason;
use crate::flow::session::Session;
use crate::flow::transfer::Transfer;
use crate::http::content::ResponseContent;
use crate::http::reply::progress::SCANNING;
use crate::icap::body::{BodyLength, BodySource};
use crate::inspect::course::WhileHeld;
use crate::inspect::detector::Length;
use crate::inspect::plan::kind::is_media;
use crate::inspect::spool::Spool;
use crate::inspect::trickle::{FIRST, Trickle};

/// Between two looks at whether a few more bytes may go out.
const EVERY: Duration = Duration::from_secs(1);
/// While a whole body is asked about, one of so many shares of what may still go out does, each time.
const SHARES: u64 = 32;
/// Most bytes that trickle at once.
const LARGEST: usize = 16 * 1024;

/// What the client of one body sees of it while it is held.
pub struct Comfort {
    page: Page,
    out: u64,
    length: Length,
    begins: Instant,
}

/// Whether a page stands in for a body while it is held.
pub enum Page {
    /// None may.
    No,
    /// One may.
    Possible,
    /// One does.
    Begun(Progress),
}

/// The body that is held.
pub struct Awaited<'a> {
    /// Its exchange.
    pub inspection: &'a Inspection,
    /// What its head says.
    pub content: &'a ResponseContent,
    /// What its client is to get meanwhile.
    pub while_held: WhileHeld,
}

/// A spool that somebody reads while somebody else does as well; neither holds it between two reads.
pub struct Lent<'a, 's>(pub &'a RefCell<&'s mut Spool>);

impl Lent<'_, '_> {
    fn received(&self) -> u64 {
        self.0.borrow().len()
    }
}

impl BodySource for Lent<'_, '_> {
    fn length(&self) -> BodyLength {
        self.0.borrow().length()
    }

    fn poll_read_at(&mut self, cx: &mut Context<'_>, at: u64, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_read_at(cx, at, buffer)
    }
}

impl Comfort {
    /// For a body of this length, from `begins` on.
    pub fn new(page: Page, length: Length, begins: Instant) -> Self {
        Self { page, out: 0, length, begins }
    }

    /// Bytes of the body that trickled out.
    pub fn out(&self) -> u64 {
        self.out
    }

    /// The page, where one stands in for the body.
    pub fn take_page(&mut self) -> Option<Progress> {
        match std::mem::replace(&mut self.page, Page::No) {
            Page::Begun(progress) => Some(progress),
            Page::No | Page::Possible => None,
        }
    }

    /// Has the client see that it is not forgotten, where it is time for that. Gives the moment to look again.
    ///
    /// # Errors
    /// [`Reason::ScanOverload`] when what is held cannot be read back.
    pub async fn give(
        &mut self,
        now: Instant,
        session: &Session<'_>,
        awaited: &Awaited<'_>,
        spool: &mut Spool,
        transfer: &mut Transfer<'_>,
    ) -> Result<Instant, Reason> {
        if now < self.begins {
            return Ok(self.begins);
        }
        self.may_begin_page(session, awaited, transfer);
        match &self.page {
            Page::Begun(progress) => progress.step(spool.len(), transfer),
            Page::No | Page::Possible => {
                let allowed = Trickle::new(self.length).allowed(spool.len()).saturating_sub(self.out);
                self.trickle(allowed, session, spool, transfer).await?;
            }
        }
        Ok(now + EVERY)
    }

    fn may_begin_page(&mut self, session: &Session<'_>, awaited: &Awaited<'_>, transfer: &mut Transfer<'_>) {
        let (Page::Possible, Length::Known(length)) = (&self.page, self.length) else { return };
        let Awaited { inspection, content, while_held } = awaited;
        // What a browser plays as it comes is no download.
        let is_download = *while_held == WhileHeld::Page && !is_media(&content.content.media_type);
        let begun = is_download.then(|| Progress::begin(session, inspection, content, length, transfer));
        self.page = begun.flatten().map_or(Page::No, Page::Begun);
    }

    /// Waits for what a whole body is asked about, and has its client see meanwhile that it is not forgotten.
    ///
    /// # Errors
    /// Those of `work`; the [`Reason`] for which the client is not reached; [`Reason::ScanOverload`] as above.
    pub async fn beside<T>(
        &mut self,
        work: impl Future<Output = Result<T, Reason>>,
        session: &Session<'_>,
        awaited: &Awaited<'_>,
        spool: &RefCell<&mut Spool>,
        transfer: &mut Transfer<'_>,
    ) -> Result<T, Reason> {
        if let Page::Begun(_) = self.page {
            transfer.trickle(SCANNING.as_bytes());
        }
        let (mut work, mut clock) = (pin!(work), pin!(sleep_until(self.begins)));
        loop {
            let done = poll_fn(|cx| {
                if let Poll::Ready(done) = work.as_mut().poll(cx) {
                    return Poll::Ready(Some(done));
                }
                if let Err(reason) = transfer.poll_trickled(cx) {
                    return Poll::Ready(Some(Err(reason)));
                }
                clock.as_mut().poll(cx).map(|()| None)
            });
            if let Some(done) = done.await {
                return done;
            }
            self.give_while_asked(session, awaited, &mut Lent(spool), transfer).await?;
            clock.as_mut().reset(Instant::now() + EVERY);
        }
    }

    /// The same for a body of which all is here: what may go out of it has to last, so most of it waits.
    async fn give_while_asked(
        &mut self,
        session: &Session<'_>,
        awaited: &Awaited<'_>,
        body: &mut Lent<'_, '_>,
        transfer: &mut Transfer<'_>,
    ) -> Result<(), Reason> {
        self.may_begin_page(session, awaited, transfer);
        if let Page::Begun(_) = self.page {
            transfer.trickle(SCANNING.as_bytes());
            return Ok(());
        }
        let left = Trickle::new(self.length).allowed(body.received()).saturating_sub(self.out);
        let count = if self.out < FIRST { left.min(FIRST - self.out) } else { left.div_ceil(SHARES) };
        self.trickle(count, session, body, transfer).await
    }

    /// Lets a few bytes go.
    async fn trickle(
        &mut self,
        count: u64,
        session: &Session<'_>,
        body: &mut impl BodySource,
        transfer: &mut Transfer<'_>,
    ) -> Result<(), Reason> {
        let Ok(count @ 1..) = usize::try_from(count) else { return Ok(()) };
        let mut bytes = session.services.buffers.take();
        bytes.resize(count.min(LARGEST), 0);
        let read = poll_fn(|cx| body.poll_read_at(cx, self.out, &mut bytes));
        let count = read.await.map_err(|_| Reason::ScanOverload)?;
        session.ledger.note_first_byte();
        transfer.trickle(&bytes[..count]);
        self.out += count as u64;
        session.services.buffers.put(&mut bytes);
        Ok(())
    }
}
