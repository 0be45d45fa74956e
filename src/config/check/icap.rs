//! `[icap.NAME]`: the services.

use std::path::Path;
use std::time::Duration;

use serde_spanned::Spanned;

use super::{Words, word};
use crate::config::document::read_file;
use crate::config::problem::{Place, Problems};
use crate::config::read::{Completeness, Draft};
use crate::config::shape::{Amount, IcapShape, Section, Shape, Strings, Text};
use crate::config::suggest::nearest;
use crate::config::value::{self, Wrong, Zero, duration};
use crate::icap::settings::{IcapMethod, IcapService, IcapTimeouts, OnFailure, PartialContent, VerdictUse};
use crate::icap::url::ServiceUrl;
use crate::inspect::course::BUILT_IN;
use crate::tls::trust::{Authorities, Trust};

/// The name of the table of services.
pub(in crate::config) const ICAP: &str = "icap";

/// `on_failure` and `on_overload`.
pub(in crate::config) const ON_FAILURE: Words<OnFailure> =
    &[(OnFailure::Block.label(), OnFailure::Block), (OnFailure::Pass.label(), OnFailure::Pass)];

/// `verdicts`.
pub(in crate::config) const VERDICTS: Words<VerdictUse> = &[("kept", VerdictUse::Kept), ("asked", VerdictUse::Asked)];

/// More than any scanner takes.
const MOST_CONNECTIONS: u64 = 65_536;

/// A preview is held in memory, for each message.
const LARGEST_PREVIEW: u64 = 1 << 20;

/// The services, in the order of their names. Relative paths begin at `base`.
pub(super) fn services(draft: &Draft<'_, Shape>, base: &Path, problems: &mut Problems) -> Vec<IcapService> {
    let whole = draft.completeness(ICAP);
    let sections = draft.shape.icap.iter().flatten();
    let mut services: Vec<IcapService> =
        sections.map(|(name, section)| service((name, section), whole, base, problems)).collect();
    services.sort_by(|one, other| one.name.cmp(&other.name));
    services
}

fn service(
    (name, section): (&Text, &Spanned<Section<IcapShape>>),
    whole: Completeness,
    base: &Path,
    problems: &mut Problems,
) -> IcapService {
    let shape = section.get_ref();
    // A bad name has been noted.
    problems.value(name, service_name);
    if shape.urls.is_none() && whole == Completeness::Whole {
        let help = "add a line such as `urls = [\"icap://127.0.0.1:1344/respmod\"]`";
        problems.add(Place::Text(section.span()), "this ICAP service has no address", help);
    }
    if let Some(urls) = shape.urls.as_ref().filter(|urls| Strings::texts(urls).is_empty()) {
        let help = "write one, such as `icap://127.0.0.1:1344/respmod`";
        problems.add(Place::Text(urls.span()), "this ICAP service has no address", help);
    }
    let mut addresses = |urls: &Option<_>| urls.as_ref().map(|urls| addresses(urls, problems)).unwrap_or_default();
    let (urls, standby_urls) = (addresses(&shape.urls), addresses(&shape.standby_urls));
    let default = IcapService::new(name.get_ref(), urls);
    let connections = shape.max_connections.as_ref().and_then(|written| {
        let help = "write 1 to 65536; the server's own limit can only lower it";
        problems.number(written, 1..=MOST_CONNECTIONS, ("no service has so few or so many connections", help))
    });
    let mut becomes = |text: &Option<Text>| text.as_ref().and_then(|text| problems.value(text, word(ON_FAILURE)));
    let on_failure = becomes(&shape.on_failure).unwrap_or_default();
    let on_overload = becomes(&shape.on_overload).unwrap_or(on_failure);
    IcapService {
        standby_urls,
        trust: shape.ca_file.as_ref().and_then(|file| trust(file, base, problems)).unwrap_or_default(),
        methods: shape.methods.as_ref().map_or(default.methods.clone(), |written| methods(written, problems)),
        on_failure,
        on_overload,
        verdicts: shape.verdicts.as_ref().and_then(|text| problems.value(text, word(VERDICTS))).unwrap_or_default(),
        max_connections: connections.and_then(|count| u32::try_from(count).ok()).unwrap_or(default.max_connections),
        timeouts: timeouts(shape, default.timeouts, problems),
        partial: shape.partial.as_ref().map_or(default.partial, partial),
        preview: shape.preview.as_ref().and_then(|size| preview(size, problems)).unwrap_or(default.preview),
        ..default
    }
}

fn service_name(text: &str) -> Result<(), Wrong> {
    if text == BUILT_IN {
        let help = "give the service another name, such as `[icap.av]`";
        return Err(Wrong::new(format!("`{BUILT_IN}` is the scanner that needs no server"), help));
    }
    value::label(text).map(|_| ())
}

fn addresses(written: &Spanned<Strings>, problems: &mut Problems) -> Vec<ServiceUrl> {
    let address = |text: &str| {
        let wrong = |why: crate::icap::url::BadUrl| {
            Wrong::new(format!("`{text}` is not the address of an ICAP service"), why.to_string())
        };
        text.parse::<ServiceUrl>().map_err(wrong)
    };
    Strings::texts(written).iter().filter_map(|text| problems.value(text, address)).collect()
}

/// Who vouches for the servers, read now: what cannot be read is found here and not at the first message.
fn trust(written: &Text, base: &Path, problems: &mut Problems) -> Option<Trust> {
    let read = |name: &str| {
        let file = base.join(name);
        let wrong = |why: String| {
            let message = format!("the certificates in `{}` cannot be used: {why}", file.display());
            Wrong::new(message, "name a PEM file with the authorities that vouch for the servers of this service")
        };
        let pem = read_file(&file).map_err(|error| wrong(error.to_string()))?;
        let authorities = Authorities::read(&pem).map_err(|bad| wrong(bad.to_string()))?;
        Ok(Trust::Only { file, authorities })
    };
    problems.value(written, read)
}

fn methods(written: &Spanned<Strings>, problems: &mut Problems) -> Vec<IcapMethod> {
    let texts = Strings::texts(written);
    if texts.is_empty() {
        let help = "write `RESPMOD`, `REQMOD` or both, or leave the key out for `RESPMOD`";
        problems.add(Place::Text(written.span()), "this service would be asked nothing", help);
    }
    let mut methods = Vec::new();
    for method in texts.iter().filter_map(|text| problems.value(text, method)) {
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    methods
}

fn method(text: &str) -> Result<IcapMethod, Wrong> {
    IcapMethod::of(text).ok_or_else(|| {
        let help = match nearest(text, ["reqmod", "respmod"]) {
            Some(meant) => format!("did you mean `{}`?", meant.to_ascii_uppercase()),
            None => "write one of: `REQMOD`, `RESPMOD`".to_owned(),
        };
        Wrong::new(format!("`{text}` is not known here"), help)
    })
}

fn partial(written: &Spanned<bool>) -> PartialContent {
    if *written.get_ref() { PartialContent::Offered } else { PartialContent::Refused }
}

fn preview(written: &Spanned<Amount>, problems: &mut Problems) -> Option<u32> {
    let size = problems.size(written, 0)?;
    if size > LARGEST_PREVIEW {
        let help = "write `\"1MiB\"` or less; 4096 is what most servers want";
        problems.add(Place::Text(written.span()), "a preview is a beginning, held in memory", help);
    }
    u32::try_from(size).ok()
}

fn timeouts(shape: &IcapShape, default: IcapTimeouts, problems: &mut Problems) -> IcapTimeouts {
    let mut wait = |text: &Option<Text>, default: Duration| {
        let read = |text: &str| duration(text, Zero::Refused);
        text.as_ref().and_then(|text| problems.value(text, read)).unwrap_or(default)
    };
    IcapTimeouts {
        connect: wait(&shape.connect, default.connect),
        first_reply: wait(&shape.first_reply, default.first_reply),
        whole: wait(&shape.whole, default.whole),
        ..default
    }
}
