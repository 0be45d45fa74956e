//! `[[icap_server]]`: names, addresses, who may ask, and over how many connections.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use serde_spanned::Spanned;

use super::binds::Bind;
use super::names::unique_names;
use crate::config::problem::{Place, Problems};
use crate::config::read::{Completeness, Draft};
use crate::config::shape::{IcapServerShape, Section, Shape};
use crate::config::value;
use crate::icap::server::settings::IcapServerSettings;

/// The name of the section.
const ICAP_SERVER: &str = "icap_server";
/// What a section without a name is called.
const UNNAMED: &str = "icap";
/// More than anybody asks for.
const MOST_CONNECTIONS: u64 = 65_536;

/// The ports of our ICAP server and what they listen on; there are none by default.
pub(super) fn check(draft: &Draft<'_, Shape>, problems: &mut Problems) -> (Vec<IcapServerSettings>, Vec<Bind>) {
    let whole = draft.completeness(ICAP_SERVER);
    let sections: &[Spanned<Section<IcapServerShape>>] =
        draft.shape.icap_server.as_ref().map(|list| list.get_ref().as_slice()).unwrap_or_default();
    unique_names("ICAP servers", &named(sections, whole), problems);
    sections.iter().map(|section| read(section, whole, problems)).unzip()
}

fn read(
    section: &Spanned<Section<IcapServerShape>>,
    whole: Completeness,
    problems: &mut Problems,
) -> (IcapServerSettings, Bind) {
    let shape = section.get_ref();
    if shape.bind.is_none() && whole == Completeness::Whole {
        let help = "add a line `bind = \"127.0.0.1:1345\"`";
        problems.add(Place::Text(section.span()), "this ICAP server has no address", help);
    }
    let name = shape.name.as_ref().and_then(|text| problems.value(text, |text| value::label(text).map(str::to_owned)));
    let bind = shape.bind.as_ref().and_then(|text| problems.value(text, value::address));
    let allow =
        shape.allow.as_ref().map(|nets| nets.iter().filter_map(|text| problems.value(text, value::network)).collect());
    // A bind that is missing or bad has been noted; port 0 collides with nothing.
    let address = bind.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let mut settings = IcapServerSettings::new(name.as_deref().unwrap_or(UNNAMED), address);
    settings.allow = allow.unwrap_or(settings.allow);
    let connections = shape.max_connections.as_ref().and_then(|written| {
        let help = "write 1 to 65536; Squid waits when it has as many as it was told";
        problems.number(written, 1..=MOST_CONNECTIONS, ("no server has so few or so many connections", help))
    });
    let connections = connections.and_then(|count| u32::try_from(count).ok());
    settings.max_connections = connections.unwrap_or(settings.max_connections);
    let place = shape.bind.as_ref().map_or(Place::File, |text| Place::Text(text.span()));
    let bind = Bind { owner: format!("ICAP server `{}`", settings.name), address, place };
    (settings, bind)
}

/// The names and where they stand.
fn named(list: &[Spanned<Section<IcapServerShape>>], written: Completeness) -> Vec<(&str, Range<usize>)> {
    list.iter()
        .filter_map(|section| match &section.get_ref().name {
            Some(name) => Some((name.get_ref().as_str(), name.span())),
            None => (written == Completeness::Whole).then(|| (UNNAMED, section.span())),
        })
        .collect()
}
