//! `[resolver.hosts]`: names that are looked up here and nowhere else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Range;

use serde_spanned::Spanned;

use crate::config::problem::{Place, Problem, Problems};
use crate::config::shape::{Strings, Text};
use crate::config::value;

/// The table that lookups use: names in lower case, each with at least one address.
pub(super) fn check<'s>(
    entries: impl Iterator<Item = (&'s Text, &'s Spanned<Strings>)>,
    problems: &mut Problems,
) -> HashMap<Box<str>, Vec<IpAddr>> {
    let mut entries: Vec<_> = entries.collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    let mut places: HashMap<Box<str>, Range<usize>> = HashMap::new();
    let mut hosts = HashMap::new();
    for (written, strings) in entries {
        let addresses = addresses(strings, problems);
        let Some(name) = problems.value(written, value::host_name) else { continue };
        match places.get(&name) {
            Some(first) => problems.push(twice(&name, written, first)),
            None => {
                places.insert(name.clone(), written.span());
                hosts.insert(name, addresses);
            }
        }
    }
    hosts
}

fn addresses(strings: &Spanned<Strings>, problems: &mut Problems) -> Vec<IpAddr> {
    let texts = Strings::texts(strings);
    if texts.is_empty() {
        problems.add(Place::Text(strings.span()), "a name without an address", "write one, or delete the line");
    }
    texts.iter().filter_map(|text| problems.value(text, value::ip)).collect()
}

fn twice(name: &str, written: &Text, first: &Range<usize>) -> Problem {
    Problem {
        place: Place::Text(written.span()),
        message: format!("`{name}` is listed twice; letter case and a final dot make no difference"),
        help: "write all its addresses in one array".to_owned(),
        first: Some(first.clone()),
    }
}
