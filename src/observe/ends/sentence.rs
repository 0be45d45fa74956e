//! An end in plain sentences: who closed first, with what, after how long, and what that cost. Pure.

use std::time::Duration;

use super::{Closer, Entry, ExchangeEnd, How, KeptEnd, Manner, Reused};
use crate::base::reason::{Fault, Reason};
use crate::observe::live::Kind;

/// Everything there is to say of an end, the most telling first.
pub fn tell(entry: &Entry) -> Vec<String> {
    match entry {
        Entry::Exchange(end) => exchange(end),
        Entry::Kept(end) => vec![kept(end)],
    }
}

fn exchange(end: &ExchangeEnd) -> Vec<String> {
    let lost = (end.reason == Reason::Done).then(|| "Nothing was lost.".to_owned());
    let parts = [Some(first(end)), afterwards(end), Some(course(end)), connection(end), lost];
    parts.into_iter().flatten().collect()
}

/// `4 ms`, `30.0 s`.
pub fn time(time: Duration) -> String {
    if time < Duration::from_millis(100) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

fn who(closer: Closer) -> &'static str {
    match closer {
        Closer::Client => "The client",
        Closer::Upstream => "The origin",
        Closer::Proxy => "This proxy",
        Closer::Nobody => "Nobody",
    }
}

/// Who closed first, and how.
fn first(end: &ExchangeEnd) -> String {
    let How { closer, manner } = end.how;
    let (who, silence) = (who(closer), time(end.idle));
    match manner {
        Manner::Fin => format!("{who} closed first (FIN), after {silence} without a byte."),
        Manner::Reset => format!("{who} closed first (RST), after {silence} without a byte."),
        Manner::TimeOut => {
            let timer = end.timer.map_or("a time-out".to_owned(), |timer| format!("the time-out {timer}"));
            format!("{who} closed first: {timer} ran out, after {silence} without a byte.")
        }
        Manner::Limit => match &end.limit {
            Some(rule) => format!("{who} ended it: the limit {rule} was reached."),
            None => format!("{who} ended it: a bound was reached ({}).", end.reason.label()),
        },
        Manner::Policy => format!("{who} refused it ({}). {}", end.reason.label(), end.reason.text()),
        Manner::Protocol => format!("{who} ended it: {} ({}).", nonsense(end.reason), end.reason.label()),
        Manner::Unreachable => format!("There was no connection to close. {}", end.reason.text()),
        Manner::Shutdown => format!("{who} closed first: it was going down."),
        Manner::Complete if end.kind == Kind::Http => "Nobody closed early: the response was whole.".to_owned(),
        Manner::Complete => "Nobody closed early: both directions had ended.".to_owned(),
    }
}

fn nonsense(reason: Reason) -> &'static str {
    match reason.fault() {
        Fault::Upstream => "what the origin sent cannot be passed on",
        _ => "what the client sent cannot be served",
    }
}

/// What came of a FIN or reset that did not end the exchange by itself.
fn afterwards(end: &ExchangeEnd) -> Option<String> {
    let timer = end.timer.filter(|_| matches!(end.how.manner, Manner::Fin | Manner::Reset))?;
    Some(format!("Then the time-out {timer} ran out, and this proxy closed the rest."))
}

fn course(end: &ExchangeEnd) -> String {
    let (took, phase, ExchangeEnd { bytes_in, bytes_out, .. }) = (time(end.took), end.phase.label(), end);
    format!("It had run for {took}, at last in {phase}; {bytes_in} bytes from the client, {bytes_out} to it.")
}

/// What the upstream connection had behind it.
fn connection(end: &ExchangeEnd) -> Option<String> {
    if end.retried {
        let first = match end.reused {
            Some(reused) => format!("on a connection that {}", past(reused)),
            None => "on a kept connection".to_owned(),
        };
        return Some(format!("A first attempt {first} was never answered; the second went out on a fresh one."));
    }
    end.reused.map(|reused| format!("It went out on a connection that {}.", past(reused)))
}

fn past(reused: Reused) -> String {
    format!("had served {} and been idle for {}", requests(reused.served), time(reused.idle))
}

fn requests(count: u64) -> String {
    if count == 1 { "1 request".to_owned() } else { format!("{count} requests") }
}

fn kept(end: &KeptEnd) -> String {
    let with = if end.manner == Manner::Reset { "RST" } else { "FIN" };
    let (idle, served) = (time(end.idle), requests(end.served));
    format!("The origin closed first ({with}) after {idle} idle; the connection had served {served}; nothing was lost.")
}
