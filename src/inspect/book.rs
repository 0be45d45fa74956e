//! The rules of `policies/inspect.toml`: which scanners see which message, and how much of it.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::base::authority::Authority;
use crate::base::media_range::MediaRange;
use crate::inspect::course::{
    Cap, Course, Direction, OnOverload, OnUndecodable, Over, ScannerName, StreamScan, WhileHeld,
};
use crate::inspect::magic::Class;
use crate::policy::pattern::DestinationMatch;

/// A `[[rule]]`. It speaks of a message where everything holds that it says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct InspectRule {
    /// Its name, unique in the file.
    pub name: Arc<str>,
    /// What an operator is told about it; may be empty.
    pub note: Arc<str>,
    /// Where the request goes. A range of addresses means those that are written in the request as such: no name has
    /// been resolved yet.
    pub destination: DestinationMatch,
    /// The clients; `None` for all.
    pub source: Option<IpNet>,
    /// Which way; `None` for both.
    pub direction: Option<Direction>,
    /// What the head calls the body; empty for anything.
    pub media_types: Vec<MediaRange>,
    /// What its first bytes show it to be; empty for anything. A rule with classes leaves `scanners`, `streams` and
    /// `undecodable` alone: when the class is known, scanning is under way.
    pub classes: Vec<Class>,
    /// Who scans, in this order; nobody where it is empty.
    pub scanners: Option<Vec<ScannerName>>,
    /// Most bytes that are scanned whole.
    pub max_body: Option<u64>,
    /// What becomes of larger ones.
    pub over: Option<Over>,
    /// What happens for want of room.
    pub on_overload: Option<OnOverload>,
    /// How ICAP services see streams.
    pub streams: Option<StreamScan>,
    /// What its client gets while it is held.
    pub while_held: Option<WhileHeld>,
    /// What becomes of it where its coding cannot be undone.
    pub undecodable: Option<OnUndecodable>,
}

impl InspectRule {
    /// A rule of this name that speaks of every message, and changes nothing yet.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            note: "".into(),
            destination: DestinationMatch::Any,
            source: None,
            direction: None,
            media_types: Vec::new(),
            classes: Vec::new(),
            scanners: None,
            max_body: None,
            over: None,
            on_overload: None,
            streams: None,
            while_held: None,
            undecodable: None,
        }
    }

    fn speaks_of(&self, whose: Whose<'_>, kind: Kind<'_>) -> bool {
        self.speaks_by_head_of(whose, kind.media_type)
            && (self.classes.is_empty() || kind.class.is_some_and(|class| self.classes.contains(&class)))
    }

    /// As [`Self::speaks_of`], as far as a head can tell.
    fn speaks_by_head_of(&self, whose: Whose<'_>, media_type: &[u8]) -> bool {
        self.direction.is_none_or(|direction| direction == whose.direction)
            && self.source.is_none_or(|net| net.contains(&whose.source))
            && self.destination.matches(whose.authority, None)
            && (self.media_types.is_empty() || self.media_types.iter().any(|known| known.matches(media_type)))
    }

    /// Whether only the head of a message or its first bytes tell that this rule speaks of it.
    fn is_by_kind(&self) -> bool {
        !self.media_types.is_empty() || self.is_by_class()
    }

    fn is_by_class(&self) -> bool {
        !self.classes.is_empty()
    }

    /// What the rule says, and for what it leaves out what `base` says.
    fn upon(&self, base: &Course) -> Course {
        Course {
            rule: Some(self.name.clone()),
            scanners: self.scanners.as_ref().map_or_else(|| base.scanners.clone(), |own| own.as_slice().into()),
            cap: Cap { max_body: self.max_body.unwrap_or(base.cap.max_body), over: self.over.or(base.cap.over) },
            on_overload: self.on_overload.unwrap_or(base.on_overload),
            streams: self.streams.unwrap_or(base.streams),
            while_held: self.while_held.unwrap_or(base.while_held),
            undecodable: self.undecodable.unwrap_or(base.undecodable),
        }
    }
}

/// Whose message it is, as the request tells.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// Where the request goes.
    pub authority: &'a Authority,
    /// The client, in whatever form its socket gave.
    pub source: IpAddr,
    /// Which way the message goes.
    pub direction: Direction,
}

/// What kind of body a message has, as far as that is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kind<'a> {
    /// The value of `Content-Type`, with its parameters; empty where there is none.
    pub media_type: &'a [u8],
    /// What the first bytes say; `None` where they say nothing, or have not come.
    pub class: Option<Class>,
}

/// Every rule, ready to be asked. It never changes; a reload makes another one.
#[derive(Clone, Debug, PartialEq)]
pub struct InspectBook {
    default: Courses,
    rules: Vec<Entry>,
    by_kind: bool,
    off: bool,
}

/// A rule, and what it comes to.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    rule: InspectRule,
    courses: Courses,
}

/// What is set for either direction: the same, but that a scanner is only on the course of messages that it is asked about.
#[derive(Clone, Debug, PartialEq)]
struct Courses {
    request: Arc<Course>,
    response: Arc<Course>,
}

impl Courses {
    fn of(course: &Course, is_asked: &impl Fn(&ScannerName, Direction) -> bool) -> Self {
        let one = |direction| {
            let asked = course.scanners.iter().filter(|name| is_asked(name, direction));
            Arc::new(Course { scanners: asked.cloned().collect(), ..course.clone() })
        };
        Self { request: one(Direction::Request), response: one(Direction::Response) }
    }

    fn to(&self, direction: Direction) -> &Arc<Course> {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    fn are_empty(&self) -> bool {
        self.request.scanners.is_empty() && self.response.scanners.is_empty()
    }
}

impl InspectBook {
    /// These rules, the first to match first, and what holds for all that they do not speak of. `is_asked` tells which
    /// scanners are asked about messages that go one way: the others are not on the course of those.
    pub fn new(rules: Vec<InspectRule>, default: Course, is_asked: impl Fn(&ScannerName, Direction) -> bool) -> Self {
        let by_kind = rules.iter().any(InspectRule::is_by_kind);
        let rules: Vec<Entry> = rules
            .into_iter()
            .map(|rule| {
                let courses = Courses::of(&rule.upon(&default), &is_asked);
                Entry { rule, courses }
            })
            .collect();
        let default = Courses::of(&default, &is_asked);
        let off = default.are_empty() && rules.iter().all(|entry| entry.courses.are_empty());
        Self { default, rules, by_kind, off }
    }

    /// Whether nothing is ever scanned: neither the default nor any rule names a scanner that is asked about anything.
    pub fn is_off(&self) -> bool {
        self.off
    }

    /// What is set for a message of which only the request is known. Allocates nothing.
    pub fn course_of_request(&self, whose: Whose<'_>) -> Arc<Course> {
        self.choose(whose, Kind::default())
    }

    /// What is set for it now that more is known of its kind. `course` is what was set so far: it holds on, without a
    /// look at the rules, where none of them speaks of kinds.
    pub fn refine(&self, course: &Arc<Course>, whose: Whose<'_>, kind: Kind<'_>) -> Arc<Course> {
        if self.by_kind { self.choose(whose, kind) } else { Arc::clone(course) }
    }

    /// Whether a rule may hold for a message by its class, which only its first bytes tell.
    pub fn may_go_by_class(&self, whose: Whose<'_>, media_type: &[u8]) -> bool {
        let whose = Whose { source: whose.source.to_canonical(), ..whose };
        let by_head = |entry: &&Entry| entry.rule.speaks_by_head_of(whose, media_type);
        self.by_kind && self.rules.iter().find(by_head).is_some_and(|entry| entry.rule.is_by_class())
    }

    /// The first rule that speaks of the message holds. One by class says only how much is scanned, so the first rule
    /// below it that is not says the rest.
    fn choose(&self, whose: Whose<'_>, kind: Kind<'_>) -> Arc<Course> {
        // Rules are written with IPv4 addresses; a socket for both families gives them in the form of IPv6.
        let whose = Whose { source: whose.source.to_canonical(), ..whose };
        let mut speaking = self.rules.iter().filter(|entry| entry.rule.speaks_of(whose, kind));
        match speaking.next() {
            None => Arc::clone(self.default.to(whose.direction)),
            Some(first) if first.rule.is_by_class() => {
                let rest = speaking.find(|entry| !entry.rule.is_by_class());
                let rest = rest.map_or(&self.default, |entry| &entry.courses);
                Arc::new(first.rule.upon(rest.to(whose.direction)))
            }
            Some(first) => Arc::clone(first.courses.to(whose.direction)),
        }
    }
}

#[cfg(test)]
mod tests;
