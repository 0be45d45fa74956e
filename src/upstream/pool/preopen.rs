//! Connections made ahead of need (`preopen`): young, few, and only to origins that are in use.

use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{MOST, MOST_PER_ORIGIN, Pool};
use crate::base::authority::Authority;
use crate::net::resolver::Resolver;
use crate::observe::counters::WorkerCounters;
use crate::policy::destination::DestinationSettings;
use crate::upstream::connection::{Promise, Upstream};
use crate::upstream::dial::{DialContext, dial};
use crate::upstream::learned::Keeping;

/// An origin not asked for this long gets no more of them.
const IN_USE: Duration = Duration::from_secs(60);

/// How a worker makes a connection that no client waits for: as for a client, past the same guard.
#[derive(Clone)]
pub struct Ways {
    /// Names to addresses.
    pub resolver: Resolver,
    /// Which addresses may be dialled.
    pub destinations: Arc<DestinationSettings>,
    /// Where connections are counted.
    pub counters: Arc<WorkerCounters>,
    /// To one address.
    pub connect: Duration,
    /// Head start of one address over the next.
    pub head_start: Duration,
    /// Name and all addresses together.
    pub total: Duration,
    /// How long a connection may idle.
    pub idle: Duration,
}

/// The origins in use that want connections ahead of need.
#[derive(Default)]
pub(super) struct Spares(HashMap<Arc<str>, Wanted>);

/// What one origin wants.
struct Wanted {
    authority: Arc<Authority>,
    count: usize,
    dialling: usize,
    last_used: Instant,
    ways: Ways,
}

impl std::fmt::Debug for Spares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl Pool {
    /// Notes that `authority` was used at `now`, and sees to it that `count` unused connections to it are open or being
    /// made, 8 at most. They are closed with the pool, or when they have been idle for as long as any other may.
    pub fn keep_spare(self: &Rc<Self>, authority: &Arc<Authority>, count: u32, ways: Ways, now: Instant) {
        let mut spares = self.spares.borrow_mut();
        if spares.0.len() >= MOST {
            spares.0.retain(|_, wanted| wanted.dialling > 0 || wanted.last_used + IN_USE > now);
        }
        let known = spares.0.contains_key(authority.text());
        if !known && spares.0.len() >= MOST {
            return;
        }
        let dialling = spares.0.get(authority.text()).map_or(0, |wanted| wanted.dialling);
        let count = (count as usize).min(MOST_PER_ORIGIN);
        let wanted = Wanted { authority: authority.clone(), count, dialling, last_used: now, ways };
        spares.0.insert(authority.text().clone(), wanted);
        drop(spares);
        self.top_up(authority.text());
    }

    /// Dials what is missing for an origin in use. A dial that fails is not repeated before the next use.
    pub(super) fn top_up(self: &Rc<Self>, origin: &Arc<str>) {
        let mut spares = self.spares.borrow_mut();
        let Some(wanted) = spares.0.get_mut(origin) else { return };
        let now = Instant::now();
        if wanted.last_used + IN_USE <= now || self.news.learned.keeping(origin, now.into_std()) == Keeping::Never {
            return;
        }
        let idle = self.idle.borrow();
        let unused = idle.of(origin).iter().filter_map(|slot| idle.slots.get(*slot)).filter(|one| !one.is_used());
        let missing = wanted.count.saturating_sub(unused.count() + wanted.dialling);
        wanted.dialling += missing;
        for _ in 0..missing {
            let task = dial_ahead(Rc::downgrade(self), wanted.authority.clone(), wanted.ways.clone());
            // The worker's runtime owns the task; it ends with the worker, or with its time-out.
            drop(tokio::task::spawn_local(task));
        }
    }
}

async fn dial_ahead(pool: Weak<Pool>, authority: Arc<Authority>, ways: Ways) {
    let context = DialContext {
        resolver: &ways.resolver,
        destinations: &ways.destinations,
        row: None,
        counters: &ways.counters,
        connect: ways.connect,
        head_start: ways.head_start,
    };
    let dialled = timeout(ways.total, dial(&authority, context)).await;
    let Some(pool) = pool.upgrade() else { return };
    if let Some(wanted) = pool.spares.borrow_mut().0.get_mut(authority.text()) {
        wanted.dialling = wanted.dialling.saturating_sub(1);
    }
    let Ok(Ok(dialled)) = dialled else { return };
    let now = Instant::now();
    ways.counters.upstream_preopened.add(1);
    let mut spare = Box::new(Upstream::fresh(dialled.socket, authority, now));
    if spare.lay_aside(ways.idle, Promise::default(), &pool.news.learned, now) {
        pool.put(spare);
    }
}
