//! One message being judged: what is held of it, what was found, and when it has to go on. The clock is passed in.

use std::sync::Arc;
use std::time::Instant;

use super::account::{Account, Held};
use super::blocked::Blocked;
use super::filter::Filter;
use crate::http::push::Push;
use crate::icap::head::legible;
use crate::icap::opening::BodyPresence;
use crate::icap::server::conversation::Conversation;
use crate::icap::server::subject::{PreviewFirst, Subject};
use crate::icap::settings::{AllowUnchanged, IcapMethod};
use crate::inspect::body::{BodyScan, Step, Wants};
use crate::inspect::decode::DecodeLimits;
use crate::inspect::decode::coding::Codings;
use crate::inspect::detector::{Detector, DetectorSettings, Length, Signs, Verdict};
use crate::inspect::rules::Head;
use crate::observe::access_log::icap::IcapMessage;
use crate::observe::counters::WorkerCounters;
use crate::observe::icap_server::{Asked, Outcome};

/// Most bytes of one body that are held while nothing is decided about it, its preview apart. Squid (5.7) stops for good
/// after 65,535 bytes of a body until it hears something: so we must speak before that.
const MOST_HELD: usize = 48 << 10;

/// A message under judgement. Dropping it lets go of everything and counts it as aborted.
#[derive(Debug)]
pub(super) struct Transaction {
    subject: Box<Subject>,
    filter: Arc<Filter>,
    scan: Option<BodyScan>,
    detector: Detector,
    asked: Asked,
    /// When its heads were whole.
    began: Instant,
    /// Bytes of its body that came.
    came: u64,
    /// When a body that says how long it is, or is a file, goes back all the same.
    patience: Instant,
    way: Way,
    held: Held,
    found: Option<Blocked>,
    account: Account,
}

/// What happens to the bytes that come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// They are the preview, and held.
    Preview,
    /// They are held.
    Hold,
    /// They are scanned and forgotten: the peer has them, and waits for their end.
    Through,
    /// They are sent back once they are scanned.
    Back,
}

impl Transaction {
    /// Begins with the heads, which may tell enough.
    pub fn begin(subject: Box<Subject>, filter: Arc<Filter>, counters: &Arc<WorkerCounters>, now: Instant) -> Self {
        let head = Head { url: &subject.url(), media_type: subject.media_type(), file_name: subject.file_name() };
        let by_head = filter.scanner.rules().of_head(&head).map(|found| Blocked::by_head(&filter, found));
        let has_body = subject.body == BodyPresence::Present;
        let codings = if has_body { Codings::parse(subject.codings()) } else { Ok(Codings::default()) };
        let (codings, by_coding) = match codings {
            Ok(codings) => (codings, None),
            Err(why) => (Codings::default(), Blocked::by_coding(&filter, &why)),
        };
        let signs = Signs {
            response: subject.response_push(),
            request: subject.request_push(),
            length: subject.declared().map_or(Length::Unknown, Length::Known),
            hand_overs: 0,
        };
        let asked = match subject.method {
            IcapMethod::Reqmod => Asked::Reqmod,
            IcapMethod::Respmod => Asked::Respmod,
        };
        Self {
            // Nothing of what is decoded is kept: only how fast it grows makes it a bomb.
            scan: has_body.then(|| BodyScan::new(&filter.scanner, &codings, DecodeLimits::ANY_LENGTH)),
            detector: Detector::new(DetectorSettings::from(&filter.hold), signs, now),
            began: now,
            patience: now + filter.hold.deadline,
            way: if subject.preview == PreviewFirst::Yes { Way::Preview } else { Way::Hold },
            held: Held::new(counters),
            found: by_head.or(by_coding),
            account: Account::open(counters, asked),
            asked,
            came: 0,
            subject,
            filter,
        }
    }

    /// Whether part of the message went back already.
    pub fn is_going_back(&self) -> bool {
        self.way == Way::Back
    }

    /// When the preview began that is still coming.
    pub fn preview_began(&self) -> Option<Instant> {
        (self.way == Way::Preview).then_some(self.began)
    }

    /// Whether something was found.
    pub fn has_found(&self) -> bool {
        self.found.is_some()
    }

    /// Whether something was found and the peer could be told at once.
    pub fn is_settled(&self) -> bool {
        self.has_found() && self.way != Way::Preview
    }

    /// Inspects some of `piece`; `out` is lent to decode into. Gives what was used, and how it goes on.
    pub fn inspect(&mut self, piece: &[u8], out: &mut [u8]) -> (usize, Wants) {
        let Some(scan) = self.scan.as_mut().filter(|_| self.found.is_none()) else {
            return (piece.len(), Wants::Input);
        };
        let Step { used, next, finding } = scan.step(piece, out);
        self.found = finding.and_then(|finding| Blocked::by_body(&self.filter, &finding));
        if let Some(kind) = scan.kind() {
            self.detector.set_kind(kind);
        }
        (used, next)
    }

    /// Takes a piece that was inspected.
    pub fn take(&mut self, piece: &[u8], now: Instant, talk: &mut Conversation) {
        self.came += piece.len() as u64;
        self.detector.add(piece.len() as u64, now);
        match self.way {
            _ if self.found.is_some() => {}
            Way::Preview => self.held.push(piece),
            Way::Hold => {
                self.held.push(piece);
                self.decide(now, talk);
            }
            Way::Through => {}
            Way::Back => talk.echo(piece),
        }
    }

    /// The preview is over. Gives how the transaction closes, unless the rest is wanted, which the peer is told then.
    pub fn preview_end(&mut self, now: Instant, talk: &mut Conversation) -> Option<Outcome> {
        if self.found.is_some() {
            return Some(self.block(talk));
        }
        if self.is_stream_by_type() {
            talk.unchanged();
            return Some(Outcome::StreamPassed);
        }
        talk.go_on();
        self.way = Way::Hold;
        self.decide(now, talk);
        None
    }

    /// Decides about what is held: because more came, or because it is time.
    pub fn decide(&mut self, now: Instant, talk: &mut Conversation) {
        if self.way != Way::Hold || self.found.is_some() {
            return;
        }
        let is_full = self.held.bytes().len() > MOST_HELD || self.held.is_over_budget();
        let ends = self.subject.declared().is_some() && self.subject.allow == AllowUnchanged::Anywhere;
        match self.detector.judge(now) {
            Verdict::Stream(_) => {
                self.account.is_stream();
                self.send_back(talk);
            }
            _ if is_full && ends => {
                self.way = Way::Through;
                self.held.clear();
            }
            _ if is_full => self.send_back(talk),
            Verdict::Bounded(_) | Verdict::File(_) if now >= self.patience => self.send_back(talk),
            Verdict::Bounded(_) | Verdict::File(_) | Verdict::Hold(_) => {}
        }
    }

    /// When to decide, if nothing comes until then.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        if self.way != Way::Hold || self.found.is_some() {
            return None;
        }
        match self.detector.judge(now) {
            Verdict::Hold(until) => Some(until),
            Verdict::Stream(_) => Some(now),
            Verdict::Bounded(_) | Verdict::File(_) => Some(self.patience),
        }
    }

    /// The message is whole: gives how the transaction closes.
    pub fn whole(&mut self, talk: &mut Conversation) -> Outcome {
        if self.found.is_none() {
            let finding = self.scan.as_mut().and_then(BodyScan::end);
            self.found = finding.and_then(|finding| Blocked::by_body(&self.filter, &finding));
        }
        let may_say_unchanged = self.subject.allow == AllowUnchanged::Anywhere;
        match self.way {
            Way::Back if self.found.is_some() => return Outcome::Cut,
            _ if self.found.is_some() => return self.block(talk),
            Way::Preview | Way::Through => talk.unchanged(),
            Way::Hold if may_say_unchanged => talk.unchanged(),
            Way::Hold => {
                self.send_back(talk);
                if self.subject.body == BodyPresence::Present {
                    talk.end_echo();
                }
                return Outcome::Echoed;
            }
            Way::Back => {
                talk.end_echo();
                return Outcome::Echoed;
            }
        }
        Outcome::Unchanged
    }

    /// Tells what was found, or cuts where it is too late for that.
    pub fn block(&self, talk: &mut Conversation) -> Outcome {
        match &self.found {
            _ if self.way == Way::Back => return Outcome::Cut,
            Some(blocked) => talk.replace(&blocked.fields(), &blocked.head(), blocked.page().as_bytes()),
            None => {}
        }
        Outcome::Blocked
    }

    /// What the log says of it: it is number `number` of its connection, was answered with `status`, and ends now so.
    pub fn told(&self, number: u32, status: u16, outcome: Outcome, now: Instant) -> IcapMessage {
        IcapMessage {
            number,
            took: now.saturating_duration_since(self.began),
            asked: self.asked,
            client: self.subject.client,
            method: self.subject.request_method().to_owned(),
            url: legible(&self.subject.url()),
            status,
            body_bytes: self.came,
            outcome,
            found: self.found.as_ref().map(|blocked| (blocked.rule.clone(), blocked.by)),
        }
    }

    /// It is over.
    pub fn close(self, outcome: Outcome) {
        self.account.close(outcome);
    }

    fn send_back(&mut self, talk: &mut Conversation) {
        self.way = Way::Back;
        talk.begin_echo(&self.subject);
        talk.echo(self.held.bytes());
        self.held.clear();
    }

    /// Whether the head calls it a live stream and its first bytes, if any are here, do not say otherwise.
    fn is_stream_by_type(&self) -> bool {
        let kind = self.scan.as_ref().and_then(BodyScan::kind);
        self.subject.response_push() == Push::Declared && !kind.is_some_and(|kind| kind.class.is_always_whole())
    }
}

#[cfg(test)]
mod tests;
