//! `[[forward]]`: names, addresses, what a FIN means.

use std::ops::Range;

use serde_spanned::Spanned;

use super::binds::Bind;
use super::names::unique_names;
use super::{HalfCloseTexts, half_close};
use crate::config::overrides::Overrides;
use crate::config::problem::{Place, Problems};
use crate::config::read::{Completeness, Draft};
use crate::config::shape::{ForwardShape, Section, Shape};
use crate::config::value;
use crate::listen::settings::ForwardSettings;

/// The name of the section.
const FORWARD: &str = "forward";

/// One forward port and where its address was set.
struct Port {
    settings: ForwardSettings,
    place: Place,
}

/// The forward ports and what they listen on.
pub(super) fn check(
    draft: &Draft<Shape>,
    overrides: &Overrides,
    default: &[ForwardSettings],
    problems: &mut Problems,
) -> (Vec<ForwardSettings>, Vec<Bind>) {
    let mut ports = ports(draft, overrides, default, problems);
    if let Some((address, place)) = overrides.listen.as_ref().and_then(|given| given.read(problems))
        && let Some(first) = ports.first_mut()
    {
        first.settings.bind = address;
        first.place = place;
    }
    let binds = ports.iter().map(Port::bind).collect();
    (ports.into_iter().map(|port| port.settings).collect(), binds)
}

fn ports(
    draft: &Draft<Shape>,
    overrides: &Overrides,
    default: &[ForwardSettings],
    problems: &mut Problems,
) -> Vec<Port> {
    let default: Vec<Port> =
        default.iter().map(|settings| Port { settings: settings.clone(), place: Place::File }).collect();
    let Some(list) = &draft.shape.forward else { return default };
    let whole = draft.completeness(FORWARD);
    if list.get_ref().is_empty() && whole == Completeness::Whole {
        let help = "write a section `[[forward]]`, or leave the key out for the default port";
        problems.add(Place::Text(list.span()), "there is no port to serve", help);
    }
    unique_names("ports", &named(list.get_ref(), whole), problems);
    let [model, ..] = default.as_slice() else { return default };
    let port = |(number, shape): (usize, &Spanned<Section<ForwardShape>>)| {
        // A flag or variable gives the first port its address, so the file need not.
        let needed = whole == Completeness::Whole && !(number == 0 && overrides.listen.is_some());
        if needed && shape.get_ref().bind.is_none() {
            problems.add(
                Place::Text(shape.span()),
                "this port has no address",
                "add a line `bind = \"127.0.0.1:3128\"`",
            );
        }
        read(shape.get_ref(), &model.settings, problems)
    };
    list.get_ref().iter().enumerate().map(port).collect()
}

fn read(shape: &ForwardShape, default: &ForwardSettings, problems: &mut Problems) -> Port {
    let name = shape.name.as_ref().and_then(|text| problems.value(text, |text| value::label(text).map(Into::into)));
    let bind = shape.bind.as_ref().and_then(|text| problems.value(text, value::address));
    let half_close = half_close(HalfCloseTexts::of_port(shape), problems);
    // A bind that is missing or bad has been noted; port 0 collides with nothing.
    let unknown = std::net::SocketAddr::new(default.bind.ip(), 0);
    let place = shape.bind.as_ref().map_or(Place::File, |text| Place::Text(text.span()));
    let settings = ForwardSettings {
        name: name.unwrap_or_else(|| default.name.clone()),
        bind: bind.unwrap_or(unknown),
        half_close: half_close.or(default.half_close),
    };
    Port { settings, place }
}

impl Port {
    fn bind(&self) -> Bind {
        Bind { owner: format!("port `{}`", self.settings.name), address: self.settings.bind, place: self.place.clone() }
    }
}

/// The names and where they stand; a section without a name is called `default`.
fn named(list: &[Spanned<Section<ForwardShape>>], written: Completeness) -> Vec<(&str, Range<usize>)> {
    list.iter()
        .filter_map(|section| match &section.get_ref().name {
            Some(name) => Some((name.get_ref().as_str(), name.span())),
            None => (written == Completeness::Whole).then(|| ("default", section.span())),
        })
        .collect()
}
