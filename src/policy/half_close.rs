//! What a FIN means, and how long one direction may outlive the other: per listener and per destination.

use std::time::Duration;

/// What a client's FIN means while its answer is under way. RST always cancels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FinPolicy {
    /// The client is gone: cancel everything done for it.
    #[default]
    Cancel,
    /// The client only stopped sending: it gets its answer, within the half-close limit.
    Finish,
}

/// What an origin's FIN means in a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerFin {
    /// It is passed on; the client may still send, within the half-close limit.
    #[default]
    Pass,
    /// It ends the tunnel once what the origin sent is delivered.
    Close,
}

/// A box on the way that forgets connections without a word; our timers end before it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// PAN-OS 6.1 and later: half-closed sessions are dropped after 120 s.
    Panos,
    /// PAN-OS up to 6.0: any FIN starts 30 s, then the session is dropped.
    PanosLegacy,
    /// AWS network load balancer: 350 s of silence.
    AwsNlb,
    /// Carrier-grade NAT: established sessions 300 s where it is mean, transitory ones 240 s (RFC 5382 REQ-5).
    Cgnat,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Profile; 4] = [Profile::Panos, Profile::PanosLegacy, Profile::AwsNlb, Profile::Cgnat];

    /// The word in the configuration and in logs.
    pub const fn label(self) -> &'static str {
        match self {
            Profile::Panos => "panos",
            Profile::PanosLegacy => "panos-legacy",
            Profile::AwsNlb => "aws-nlb",
            Profile::Cgnat => "cgnat",
        }
    }

    /// How long one direction may outlive the other, and how long both may be silent: a little less than the box allows.
    pub fn limits(self) -> ProfileLimits {
        let seconds = Duration::from_secs;
        match self {
            Profile::Panos => ProfileLimits { half_close: Some(seconds(118)), idle: Some(seconds(3570)) },
            Profile::PanosLegacy => ProfileLimits { half_close: Some(seconds(28)), idle: Some(seconds(3570)) },
            Profile::AwsNlb => ProfileLimits { half_close: None, idle: Some(seconds(345)) },
            Profile::Cgnat => ProfileLimits { half_close: Some(seconds(235)), idle: Some(seconds(295)) },
        }
    }
}

/// What the time of a half-closed connection is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfCloseClock {
    /// From the last byte: a transfer that goes on may.
    Silence,
    /// From the first FIN, whatever comes after it.
    FirstFin,
}

/// What a [`Profile`] bounds; `None` where the box does not care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfileLimits {
    /// One direction has ended, the other may go on for this long.
    pub half_close: Option<Duration>,
    /// Silence in both directions.
    pub idle: Option<Duration>,
}

/// Half-close settings as written for a listener or a destination; what is `None` is left to the wider setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HalfClose {
    /// What a client's FIN means.
    pub on_client_fin: Option<FinPolicy>,
    /// What an origin's FIN means in a tunnel.
    pub on_server_fin: Option<ServerFin>,
    /// How long one direction may outlive the other.
    pub limit: Option<Duration>,
    /// The box on the way.
    pub profile: Option<Profile>,
}

impl HalfClose {
    /// These settings, where they say nothing those of `wider`.
    pub fn or(self, wider: HalfClose) -> HalfClose {
        HalfClose {
            on_client_fin: self.on_client_fin.or(wider.on_client_fin),
            on_server_fin: self.on_server_fin.or(wider.on_server_fin),
            limit: self.limit.or(wider.limit),
            profile: self.profile.or(wider.profile),
        }
    }

    /// How long one direction may outlive the other: the limit as set, else the profile's, else `default`.
    pub fn limit_or(&self, default: Duration) -> Duration {
        let profile = self.profile.and_then(|profile| profile.limits().half_close);
        self.limit.or(profile).unwrap_or(default)
    }

    /// What the half-close limit is counted from: PAN-OS counts from the first FIN, and so must who wants to end before it.
    pub fn clock(&self) -> HalfCloseClock {
        match self.limiting_profile() {
            Some(Profile::Panos | Profile::PanosLegacy) => HalfCloseClock::FirstFin,
            _ => HalfCloseClock::Silence,
        }
    }

    /// The profile that sets the half-close limit, where none is written.
    pub fn limiting_profile(&self) -> Option<Profile> {
        self.profile.filter(|profile| self.limit.is_none() && profile.limits().half_close.is_some())
    }

    /// The profile that sets the idle limit, being shorter than `setting`.
    pub fn idle_profile(&self, setting: Duration) -> Option<Profile> {
        self.profile.filter(|profile| profile.limits().idle.is_some_and(|idle| idle < setting))
    }

    /// How long both directions may be silent: `setting`, or less where a profile says so.
    pub fn idle_within(&self, setting: Duration) -> Duration {
        match self.profile.and_then(|profile| profile.limits().idle) {
            Some(idle) => setting.min(idle),
            None => setting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrower_setting_wins_and_the_profile_fills_in() {
        let seconds = Duration::from_secs;
        let listener = HalfClose { profile: Some(Profile::PanosLegacy), ..HalfClose::default() };
        let destination = HalfClose { limit: Some(seconds(5)), ..HalfClose::default() };
        assert_eq!(listener.limit_or(seconds(120)), seconds(28));
        assert_eq!(destination.or(listener).limit_or(seconds(120)), seconds(5));
        assert_eq!(HalfClose::default().limit_or(seconds(120)), seconds(120));
        assert_eq!(destination.or(listener).idle_within(seconds(3600)), seconds(3570));
        assert_eq!(HalfClose::default().idle_within(seconds(3600)), seconds(3600));
    }

    #[test]
    fn every_profile_ends_before_its_box() {
        for (profile, half_close, idle) in [
            (Profile::Panos, Some(120), 3600),
            (Profile::PanosLegacy, Some(30), 3600),
            (Profile::AwsNlb, None, 350),
            (Profile::Cgnat, Some(240), 300),
        ] {
            let limits = profile.limits();
            assert_eq!(limits.half_close.is_some(), half_close.is_some(), "{}", profile.label());
            assert!(limits.half_close.is_none_or(|limit| limit < Duration::from_secs(half_close.unwrap_or(0))));
            assert!(limits.idle.is_some_and(|limit| limit < Duration::from_secs(idle)), "{}", profile.label());
        }
    }
}
