//! The tags under which the servers of a service answer, and whether these say anything. Pure: the time is passed in.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time in which changes are counted.
const WINDOW: Duration = Duration::from_mins(10);
/// Most changes in that time. Some servers make up a new tag for each answer.
const MOST_CHANGES: usize = 10;
/// How long such a service's tags say nothing, from the last change that was too many.
const USELESS_FOR: Duration = Duration::from_mins(10);

/// A tag, by a keyed hash: a server may make it as long as a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TagId(u64);

/// The tags of one service.
#[derive(Debug, Default)]
pub(super) struct Tags {
    hasher: RandomState,
    /// What each server said last; `None` where it never said any.
    servers: HashMap<Arc<str>, Option<TagId>>,
    changes: VecDeque<Instant>,
    useless_until: Option<Instant>,
}

impl Tags {
    /// The id of a tag.
    pub(super) fn id(&self, tag: Option<&str>) -> Option<TagId> {
        tag.map(|tag| TagId(self.hasher.hash_one(tag)))
    }

    /// `server` has said `tag`. A missing one changes nothing where there was one before: errors often go without.
    pub(super) fn say(&mut self, server: &Arc<str>, tag: Option<&str>, now: Instant) {
        let said = self.id(tag);
        let known = self.servers.get(server).copied();
        match (known, said) {
            (Some(before), Some(tag)) if before != said => {
                // All servers of a service come to the same new tag one after the other: one change.
                if !self.are_in_force(tag) {
                    self.count_change(now);
                }
                self.servers.insert(server.clone(), said);
            }
            (None, _) => _ = self.servers.insert(server.clone(), said),
            _ => {}
        }
    }

    /// Whether a server of the service stands by `tag` today.
    pub(super) fn are_in_force(&self, tag: TagId) -> bool {
        self.servers.values().any(|current| *current == Some(tag))
    }

    /// Whether nothing can be kept: the tags change all the time, or there are none.
    pub(super) fn are_useless(&self, now: Instant) -> bool {
        self.useless_until.is_some_and(|until| now < until)
            || (!self.servers.is_empty() && self.servers.values().all(Option::is_none))
    }

    fn count_change(&mut self, now: Instant) {
        while self.changes.front().is_some_and(|oldest| now.saturating_duration_since(*oldest) >= WINDOW) {
            self.changes.pop_front();
        }
        self.changes.push_back(now);
        if self.changes.len() > MOST_CHANGES {
            self.changes.pop_front();
            self.useless_until = Some(now + USELESS_FOR);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(tags: &mut Tags, server: &str, tag: impl ToString, now: Instant) {
        tags.say(&server.into(), Some(&tag.to_string()), now);
    }

    fn is_in_force(tags: &Tags, tag: &str) -> bool {
        tags.id(Some(tag)).is_some_and(|id| tags.are_in_force(id))
    }

    #[test]
    fn each_server_stands_by_its_last_tag() {
        let (mut tags, now) = (Tags::default(), Instant::now());
        assert!(!tags.are_useless(now));
        say(&mut tags, "one", "a", now);
        say(&mut tags, "two", "b", now);
        assert!(is_in_force(&tags, "a") && is_in_force(&tags, "b"));
        say(&mut tags, "one", "b", now);
        tags.say(&"two".into(), None, now);
        assert!(!is_in_force(&tags, "a") && is_in_force(&tags, "b"));
        say(&mut tags, "two", "c", now);
        assert!(is_in_force(&tags, "b") && is_in_force(&tags, "c"));
    }

    #[test]
    fn without_a_tag_nothing_can_be_kept() {
        let (mut tags, now) = (Tags::default(), Instant::now());
        tags.say(&"one".into(), None, now);
        assert!(tags.are_useless(now));
        say(&mut tags, "two", "a", now);
        assert!(!tags.are_useless(now));
    }

    #[test]
    fn more_than_ten_changes_in_ten_minutes_say_nothing() {
        let (mut tags, start) = (Tags::default(), Instant::now());
        let apart = WINDOW / 10;
        for change in 0..=MOST_CHANGES as u32 {
            say(&mut tags, "one", change, start + apart * change);
        }
        // The first tag is no change, and ten are allowed; the first of them is just old enough now.
        let next = start + apart * 11;
        say(&mut tags, "one", "slow", next);
        assert!(!tags.are_useless(next));
        say(&mut tags, "one", "quick", next);
        assert!(tags.are_useless(next) && tags.are_useless(next + USELESS_FOR - Duration::from_nanos(1)));
        assert!(!tags.are_useless(next + USELESS_FOR));
    }

    #[test]
    fn an_update_of_many_servers_is_one_change() {
        let (mut tags, now) = (Tags::default(), Instant::now());
        for tag in ["old", "new"] {
            for server in 0..64 {
                say(&mut tags, &server.to_string(), tag, now);
            }
        }
        assert!(!tags.are_useless(now));
        assert_eq!(tags.changes.len(), 1);
    }
}
