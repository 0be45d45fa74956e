//! What rules call by name: groups, listeners, each other.

use std::ops::Range;
use std::sync::Arc;

use serde_spanned::Spanned;

use super::scope::Listeners;
use super::shape::{GroupShape, RulesShape};
use crate::config::check::unique_names;
use crate::config::problem::{Place, Problems};
use crate::config::read::{Completeness, Draft};
use crate::config::shape::{Section, Strings, Text};
use crate::config::suggest::nearest;
use crate::config::value::{self, Wrong};
use crate::policy::pattern::HostGroup;

const GROUP: &str = "group";

/// The kinds of rules, by the names of their sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Limit,
    Rate,
    Destination,
}

impl Kind {
    /// The word in the header of the section.
    pub fn label(self) -> &'static str {
        match self {
            Kind::Limit => "limit",
            Kind::Rate => "rate",
            Kind::Destination => "destination",
        }
    }
}

/// Every `[[group]]` of `limits.toml`, which other rule files speak of as well.
#[derive(Clone, Debug)]
pub(in crate::config) struct Groups {
    groups: Vec<Arc<HostGroup>>,
    whole: Completeness,
}

impl Groups {
    /// The group called `name`; `None` where it may be one that could not be read.
    pub fn find(&self, name: &str) -> Result<Option<Arc<HostGroup>>, Wrong> {
        let group = self.groups.iter().find(|group| *group.name == *name);
        if group.is_some() || self.whole == Completeness::Cut {
            return Ok(group.cloned());
        }
        let known: Vec<&str> = self.groups.iter().map(|group| &*group.name).collect();
        let otherwise =
            format!("write a section `[[group]]` with `name = \"{name}\"` and its `hosts` into limits.toml");
        Err(unknown("group", name, "group:", &known, otherwise))
    }

    /// The same, as those of a file that could not be read to its end.
    pub fn cut(self) -> Self {
        Self { whole: Completeness::Cut, ..self }
    }
}

/// Every name of a rule file, and how far a name that is missing can be said not to be there.
pub(super) struct Known<'d> {
    pub listeners: Listeners<'d>,
    pub groups: Groups,
    limits: Vec<(&'d str, Range<usize>)>,
    rates: Vec<(&'d str, Range<usize>)>,
    draft: &'d Draft<'d, RulesShape>,
}

impl<'d> Known<'d> {
    /// The names in `draft`; groups are checked, names used twice are noted.
    pub fn new(draft: &'d Draft<'d, RulesShape>, listeners: Listeners<'d>, problems: &mut Problems) -> Self {
        let shape = &draft.shape;
        let limits = names(shape.limit.iter().flatten().map(|section| &section.get_ref().name));
        let rates = names(shape.rate.iter().flatten().map(|section| &section.get_ref().name));
        let mut both = [limits.as_slice(), rates.as_slice()].concat();
        both.sort_by_key(|(_, span)| span.start);
        unique_names("limits or rates", &both, problems);
        let destinations = names(shape.destination.iter().flatten().map(|section| &section.get_ref().name));
        unique_names("destination rules", &destinations, problems);
        unique_names("groups", &names(shape.group.iter().flatten().map(|group| &group.get_ref().name)), problems);
        let whole = draft.completeness(GROUP);
        let groups = shape.group.iter().flatten().filter_map(|section| group(section, whole, problems)).collect();
        Self { listeners, groups: Groups { groups, whole }, limits, rates, draft }
    }

    /// The name of a rule of `kind`; one without is noted.
    pub fn name(&self, kind: Kind, name: Option<&Text>, section: Range<usize>, problems: &mut Problems) -> Arc<str> {
        let label = kind.label();
        if name.is_none() {
            self.missing(
                kind,
                section,
                (&format!("this {label} has no name"), "add a line `name = \"...\"`"),
                problems,
            );
        }
        let read = name.and_then(|text| problems.value(text, |text| value::label(text).map(Into::into)));
        read.unwrap_or_else(|| label.into())
    }

    /// Notes at a section of `kind` that something is not there, unless it may have been cut out.
    pub fn missing(&self, kind: Kind, section: Range<usize>, (message, help): (&str, &str), problems: &mut Problems) {
        if self.draft.completeness(kind.label()) == Completeness::Whole {
            problems.add(Place::Text(section), message, help);
        }
    }

    /// The rule called `name` of the same kind, that a rule may take the place of.
    pub fn replaced(&self, kind: Kind, name: &str) -> Result<Arc<str>, Wrong> {
        let (same, other) = match kind {
            Kind::Rate => (&self.rates, &self.limits),
            Kind::Limit | Kind::Destination => (&self.limits, &self.rates),
        };
        let is_in = |list: &[(&str, Range<usize>)]| list.iter().any(|(known, _)| *known == name);
        if is_in(same) || self.draft.completeness(kind.label()) == Completeness::Cut {
            return Ok(name.into());
        }
        let label = kind.label();
        if is_in(other) {
            let help = format!("a {label} takes the place of a {label}");
            return Err(Wrong::new(format!("`{name}` is not a {label}"), help));
        }
        let known: Vec<&str> = same.iter().map(|(name, _)| *name).collect();
        Err(unknown(label, name, "", &known, format!("write the `name` of a `[[{label}]]` of this file")))
    }
}

/// What to say of a name that nothing has.
pub(super) fn unknown(kind: &str, name: &str, prefix: &str, known: &[&str], otherwise: String) -> Wrong {
    let help = match nearest(name, known.iter().copied()) {
        Some(meant) => format!("did you mean `{prefix}{meant}`?"),
        None => otherwise,
    };
    Wrong::new(format!("there is no {kind} `{name}`"), help)
}

pub(super) fn names<'d>(names: impl Iterator<Item = &'d Option<Text>>) -> Vec<(&'d str, Range<usize>)> {
    names.flatten().map(|name| (name.get_ref().as_str(), name.span())).collect()
}

fn group(
    section: &Spanned<Section<GroupShape>>,
    whole: Completeness,
    problems: &mut Problems,
) -> Option<Arc<HostGroup>> {
    let shape = section.get_ref();
    let texts = shape.hosts.as_ref().map(Strings::texts).unwrap_or_default();
    let place = shape.hosts.as_ref().map_or(section.span(), Spanned::span);
    let mut note = |place, message, help| {
        if whole == Completeness::Whole {
            problems.add(Place::Text(place), message, help);
        }
    };
    if texts.is_empty() {
        note(place, "a group without hosts", "add a line such as `hosts = [\"www.example\", \"*.example\"]`");
    }
    if shape.name.is_none() {
        note(section.span(), "this group has no name", "add a line `name = \"...\"`; rules call it `group:...`");
    }
    let name = problems.value(shape.name.as_ref()?, |text| value::label(text).map(Into::into))?;
    let hosts = texts.iter().filter_map(|text| problems.value(text, value::group_host)).collect();
    Some(Arc::new(HostGroup { name, hosts }))
}
