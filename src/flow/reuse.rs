//! Which upstream connection a request gets, and who gets it afterwards.

use std::sync::Arc;

use tokio::time::Instant;

use super::services::Services;
use super::session::{Next, Session};
use crate::base::authority::Authority;
use crate::http::framing::BodyFraming;
use crate::http::request::Request;
use crate::upstream::connection::{Promise, Upstream, Wants};
use crate::upstream::kept::Found;
use crate::upstream::pool::Ways;
use crate::upstream::rules::{idle_of, reuse_of};
use crate::upstream::settings::Reuse;
use crate::upstream::socket::OnDrop;

/// Longest request body that is held so that it can be sent again.
pub const REPLAYABLE: u64 = 64 * 1024;

/// Whether the request may be sent a second time, as long as all of it is still at hand: once more does no harm.
pub fn may_repeat(request: &Request) -> bool {
    request.method.is_idempotent() && !matches!(request.framing, BodyFraming::Length(length) if length > REPLAYABLE)
}

/// What the request asks of a connection that has been used before: one whose body may grow past what is held could be
/// lost with it, as one that must not be repeated.
fn wants(request: &Request) -> Wants {
    if may_repeat(request) && request.framing != BodyFraming::Chunked { Wants::Alive } else { Wants::Proven }
}

/// A connection laid aside before that is fit for this request: the client's own, or one of the worker's.
pub fn take(session: &mut Session<'_>, request: &Request, authority: &Authority) -> Option<Box<Upstream>> {
    let (services, reuse) = (session.services, reuse_of(session.rule.as_deref()));
    if reuse == Reuse::Off {
        return None;
    }
    let wants = wants(request);
    // A head may take its time; a second more or less matters only to what cannot be repeated.
    let now = if wants == Wants::Proven { Instant::now() } else { session.began() };
    let mut found = session.kept.take(authority, wants, &services.news, now);
    if reuse == Reuse::Shared && !matches!(found, Found::Ready(_)) {
        count_stale(services, &found);
        found = services.pool.take(authority, wants, now);
    }
    count_stale(services, &found);
    let Found::Ready(mut upstream) = found else { return None };
    // It was judged when it was dialled; the rules may be others by now.
    if services.policy.load().destinations.judge(upstream.socket.address()).is_err() {
        return None;
    }
    upstream.socket.set_on_drop(OnDrop::Reset);
    if reuse == Reuse::Shared {
        upstream.socket.tie(Some(session.tether.row()));
    }
    if upstream.is_used() {
        services.counters.upstream_reused.add(1);
        let history = upstream.history(now);
        session.ledger.note(|record| record.reused = Some(history));
    }
    Some(upstream)
}

fn count_stale(services: &Services, found: &Found) {
    if matches!(found, Found::Stale) {
        services.counters.upstream_stale.add(1);
    }
}

/// Tells the origin that no second request follows (RFC 9112 section 9.6): it need not wait for our FIN, and the port is
/// its own to get rid of. An upgrade says something else in that field.
pub fn announce_close(request: &Request, head: &mut Vec<u8>) {
    if request.upgrade.is_none() && head.ends_with(b"\r\n\r\n") {
        head.truncate(head.len() - 2);
        head.extend_from_slice(b"Connection: close\r\n\r\n");
    }
}

/// Lays a connection aside whose response ended whole at `ended`, for whom the rule says: the client's next request, or
/// any client's. Otherwise it is closed.
pub fn lay_aside(session: &mut Session<'_>, mut upstream: Box<Upstream>, promise: Promise, next: Next, ended: Instant) {
    let (services, rule) = (session.services, session.rule.as_deref());
    let reuse = reuse_of(rule);
    let shared = reuse == Reuse::Shared && !upstream.is_bound();
    let wanted = match reuse {
        Reuse::Off => false,
        _ if shared => !services.drain.is_draining(),
        _ => next == Next::Request,
    };
    let setting = idle_of(rule, services.timeouts().upstream_idle);
    if !wanted
        || !upstream.has_served(promise, rule)
        || !upstream.lay_aside(setting, promise, &services.news.learned, ended)
    {
        return;
    }
    if shared { services.pool.put(upstream) } else { session.kept.put(upstream) }
}

/// Keeps as many unused connections at hand as the rule says, now that the origin is in use.
pub fn keep_spare(session: &Session<'_>, authority: &Arc<Authority>) {
    let services = session.services;
    let Some(rule) = session.rule.as_deref().filter(|rule| rule.preopen > 0 && rule.reuse == Reuse::Shared) else {
        return;
    };
    if services.drain.is_draining() {
        return;
    }
    let timeouts = services.timeouts();
    let ways = Ways {
        resolver: services.resolver.clone(),
        destinations: services.policy.load().destinations.clone(),
        counters: services.counters.clone(),
        connect: timeouts.connect,
        head_start: timeouts.connect_head_start,
        total: timeouts.connect_total,
        idle: idle_of(Some(rule), timeouts.upstream_idle),
    };
    services.pool.keep_spare(authority, rule.preopen, ways, Instant::now());
}
