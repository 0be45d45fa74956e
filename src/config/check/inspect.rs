//! `[inspect]`: what scans, how long a body is held for it, and where.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_spanned::Spanned;

use super::{Words, word};
use crate::config::problem::{Place, Problems};
use crate::config::shape::{Amount, InspectShape, Strings, Text};
use crate::config::suggest::nearest;
use crate::config::value::{Wrong, Zero, duration, spell_size};
use crate::icap::settings::IcapService;
use crate::inspect::course::{
    BUILT_IN, HoldSettings, InspectSettings, OnUndecodable, ScannerName, SpoolSettings, WhileHeld,
};

/// A page of memory: nothing smaller is worth a file.
const LEAST_MEMORY: u64 = 4 << 10;

/// `while_held`, here and in rules.
pub(in crate::config) const WHILE_HELD: Words<WhileHeld> =
    &[("trickle", WhileHeld::Trickle), ("page", WhileHeld::Page), ("nothing", WhileHeld::Nothing)];

/// `undecodable`, here and in rules.
pub(in crate::config) const UNDECODABLE: Words<OnUndecodable> =
    &[("pass", OnUndecodable::Pass), ("block", OnUndecodable::Block)];

/// The scanners that may be named.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Scanners<'n> {
    /// The built-in one and these services.
    Named(&'n [IcapService]),
    /// The services could not all be read: every name is believed.
    Unknown,
}

/// The settings; what is missing or bad is as by default. Relative paths begin at `base`.
pub(super) fn check(
    shape: &InspectShape,
    known: Scanners<'_>,
    base: &Path,
    problems: &mut Problems,
) -> InspectSettings {
    let default = shape.default.as_ref().map(|written| scanners(written, known, problems));
    let while_held = shape.while_held.as_ref().and_then(|text| problems.value(text, word(WHILE_HELD)));
    InspectSettings {
        default: default.unwrap_or_else(|| InspectSettings::default().default),
        while_held: while_held.unwrap_or_default(),
        undecodable: shape.undecodable.as_ref().and_then(|text| problems.value(text, word(UNDECODABLE))),
        hold: hold(shape, problems),
        spool: spool(shape, base, problems),
    }
}

/// The scanners of a list, each once, each of them there.
pub(in crate::config) fn scanners(
    written: &Spanned<Strings>,
    known: Scanners<'_>,
    problems: &mut Problems,
) -> Vec<ScannerName> {
    let mut found: Vec<ScannerName> = Vec::new();
    for text in Strings::texts(written) {
        match problems.value(&text, |text| scanner(text, known)) {
            Some(scanner) if found.contains(&scanner) => {
                let message = format!("`{scanner}` is listed twice");
                problems.add(Place::Text(text.span()), message, "each scanner is asked once");
            }
            scanner => found.extend(scanner),
        }
    }
    found
}

fn scanner(text: &str, known: Scanners<'_>) -> Result<ScannerName, Wrong> {
    if text == BUILT_IN {
        return Ok(ScannerName::BuiltIn);
    }
    let services = match known {
        Scanners::Named(services) if services.iter().all(|service| *service.name != *text) => services,
        Scanners::Named(_) | Scanners::Unknown => return Ok(ScannerName::Icap(text.into())),
    };
    let help = match nearest(text, services.iter().map(|service| &*service.name).chain([BUILT_IN])) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("write `{BUILT_IN}`, or a section `[icap.{text}]` with its `urls`"),
    };
    Err(Wrong::new(format!("there is no scanner `{text}`"), help))
}

fn hold(shape: &InspectShape, problems: &mut Problems) -> HoldSettings {
    let or = HoldSettings::default();
    let mut wait = |text: &Option<Text>, default: Duration| {
        let read = |text: &str| duration(text, Zero::Refused);
        text.as_ref().and_then(|text| problems.value(text, read)).unwrap_or(default)
    };
    HoldSettings {
        longest: wait(&shape.hold, or.longest),
        idle_gap: wait(&shape.idle_gap, or.idle_gap),
        first_byte_gap: wait(&shape.first_byte_gap, or.first_byte_gap),
        trickle_after: wait(&shape.trickle_after, or.trickle_after),
        deadline: wait(&shape.deadline, or.deadline),
    }
}

/// A size with its key, where it is written, and what it came to.
type Size<'s> = (&'static str, Option<&'s Spanned<Amount>>, u64);

fn spool(shape: &InspectShape, base: &Path, problems: &mut Problems) -> SpoolSettings {
    let or = SpoolSettings::default();
    let mut size = |written: &Option<Spanned<Amount>>, default: u64| {
        written.as_ref().and_then(|size| problems.size(size, LEAST_MEMORY)).unwrap_or(default)
    };
    let memory = size(&shape.memory, or.memory);
    let per_client = size(&shape.per_client, or.per_client);
    let total = size(&shape.total, or.total);
    let sizes: [Size<'_>; 3] = [
        ("memory", shape.memory.as_ref(), memory),
        ("per_client", shape.per_client.as_ref(), per_client),
        ("total", shape.total.as_ref(), total),
    ];
    sizes.windows(2).for_each(|pair| in_order(&pair[0], &pair[1], problems));
    let dir = shape.spool_dir.as_ref().and_then(|text| problems.value(text, |text| directory(text, base)));
    SpoolSettings { memory, per_client, total, dir }
}

/// Notes a part that is larger than the whole.
fn in_order(part: &Size<'_>, whole: &Size<'_>, problems: &mut Problems) {
    let ((part, part_at, part_size), (whole, whole_at, whole_size)) = (part, whole);
    if part_size <= whole_size {
        return;
    }
    if let Some(written) = whole_at.or(*part_at) {
        let (part_size, whole_size) = (spell_size(*part_size), spell_size(*whole_size));
        let message = format!("`{part}` ({part_size}) is more than `{whole}` ({whole_size}), which it is a part of");
        problems.add(Place::Text(written.span()), message, format!("lower `{part}` or raise `{whole}`"));
    }
}

/// A directory that is there. Whether it can be written is seen by the user that runs the proxy, who need not be the one
/// that reads this.
fn directory(text: &str, base: &Path) -> Result<PathBuf, Wrong> {
    let path = base.join(text);
    if !text.is_empty() && path.is_dir() {
        return Ok(path);
    }
    let shown = path.display();
    if path.exists() && !text.is_empty() {
        return Err(Wrong::new(format!("`{shown}` is not a directory"), "name the directory that it lies in"));
    }
    let help = "create it, or leave the key out for the system's directory of temporary files; a relative path begins \
                beside this file";
    Err(Wrong::new(format!("there is no directory `{shown}`"), help))
}
