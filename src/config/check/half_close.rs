//! What FINs mean, and how long one direction may outlive the other: for a port or for a destination.

use super::{Words, word};
use crate::config::problem::Problems;
use crate::config::shape::{ForwardShape, Text};
use crate::config::value::{Zero, duration};
use crate::policy::half_close::{FinPolicy, HalfClose, Profile, ServerFin};

/// `on_client_fin`.
pub(in crate::config) const FIN_POLICIES: Words<FinPolicy> =
    &[("cancel", FinPolicy::Cancel), ("finish", FinPolicy::Finish)];

/// `on_server_fin`.
pub(in crate::config) const SERVER_FINS: Words<ServerFin> = &[("pass", ServerFin::Pass), ("close", ServerFin::Close)];

/// `profile`.
pub(in crate::config) const PROFILES: Words<Profile> = &[
    (Profile::Panos.label(), Profile::Panos),
    (Profile::PanosLegacy.label(), Profile::PanosLegacy),
    (Profile::AwsNlb.label(), Profile::AwsNlb),
    (Profile::Cgnat.label(), Profile::Cgnat),
];

/// The four keys as they are written.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct HalfCloseTexts<'s> {
    pub on_client_fin: Option<&'s Text>,
    pub on_server_fin: Option<&'s Text>,
    pub half_close: Option<&'s Text>,
    pub profile: Option<&'s Text>,
}

impl<'s> HalfCloseTexts<'s> {
    /// Those of a `[[forward]]`.
    pub fn of_port(shape: &'s ForwardShape) -> Self {
        Self {
            on_client_fin: shape.on_client_fin.as_ref(),
            on_server_fin: shape.on_server_fin.as_ref(),
            half_close: shape.half_close.as_ref(),
            profile: shape.profile.as_ref(),
        }
    }
}

/// What `texts` say; what is missing or bad stays open.
pub(in crate::config) fn half_close(texts: HalfCloseTexts<'_>, problems: &mut Problems) -> HalfClose {
    HalfClose {
        on_client_fin: texts.on_client_fin.and_then(|text| problems.value(text, word(FIN_POLICIES))),
        on_server_fin: texts.on_server_fin.and_then(|text| problems.value(text, word(SERVER_FINS))),
        limit: texts.half_close.and_then(|text| problems.value(text, |text| duration(text, Zero::Refused))),
        profile: texts.profile.and_then(|text| problems.value(text, word(PROFILES))),
    }
}
