//! Who closed first and how, as far as the reason of an end tells it. Pure.

use crate::base::reason::{Fault, Reason};

/// Who closed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closer {
    /// The client.
    Client,
    /// The origin, or the way to it.
    Upstream,
    /// This process.
    Proxy,
    /// Nobody closed before the end.
    Nobody,
}

/// How it was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// By a FIN.
    Fin,
    /// By a reset.
    Reset,
    /// Something did not come in time.
    TimeOut,
    /// Something was over a limit.
    Limit,
    /// The configuration said no.
    Policy,
    /// What was sent cannot be understood or served.
    Protocol,
    /// There was no connection to begin with.
    Unreachable,
    /// The process is going down.
    Shutdown,
    /// It was over.
    Complete,
}

/// Who closed first, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct How {
    /// Who.
    pub closer: Closer,
    /// How.
    pub manner: Manner,
}

impl Closer {
    /// The label in the API.
    pub fn label(self) -> &'static str {
        match self {
            Closer::Client => "client",
            Closer::Upstream => "upstream",
            Closer::Proxy => "proxy",
            Closer::Nobody => "nobody",
        }
    }
}

impl Manner {
    /// The label in the API.
    pub fn label(self) -> &'static str {
        match self {
            Manner::Fin => "fin",
            Manner::Reset => "reset",
            Manner::TimeOut => "time_out",
            Manner::Limit => "limit",
            Manner::Policy => "policy",
            Manner::Protocol => "protocol",
            Manner::Unreachable => "unreachable",
            Manner::Shutdown => "shutdown",
            Manner::Complete => "complete",
        }
    }
}

/// Who closed first and how, where only the reason is known. A tunnel whose one side ended first knows more than its
/// reason does.
pub fn how(reason: Reason) -> How {
    let closer = match manner(reason) {
        Manner::Complete => Closer::Nobody,
        Manner::TimeOut | Manner::Limit | Manner::Policy | Manner::Protocol | Manner::Shutdown => Closer::Proxy,
        Manner::Fin | Manner::Reset | Manner::Unreachable if reason.fault() == Fault::Upstream => Closer::Upstream,
        Manner::Fin | Manner::Reset | Manner::Unreachable => Closer::Client,
    };
    How { closer, manner: manner(reason) }
}

fn manner(reason: Reason) -> Manner {
    match reason {
        Reason::Done => Manner::Complete,
        // Its client had sent FIN before the clock ran out.
        Reason::HalfCloseLimit => Manner::Fin,
        Reason::ClientFin | Reason::RequestBodyCut => Manner::Fin,
        Reason::UpstreamClosed | Reason::ResponseCut => Manner::Fin,
        Reason::ClientReset | Reason::UpstreamReset | Reason::ResponseReset => Manner::Reset,
        Reason::TunnelUpstreamReset => Manner::Reset,
        Reason::RequestHeadTimeout | Reason::RequestBodyTimeout => Manner::TimeOut,
        Reason::ClientWriteTimeout | Reason::NameTimeout | Reason::ConnectTimeout => Manner::TimeOut,
        Reason::ResponseHeadTimeout | Reason::ResponseBodyTimeout | Reason::UpstreamWriteTimeout => Manner::TimeOut,
        Reason::TunnelIdle | Reason::TunnelHalfClose => Manner::TimeOut,
        Reason::ReadAheadFull | Reason::RequestHeadTooLarge | Reason::ResponseHeadTooLarge => Manner::Limit,
        Reason::TooManyInterim | Reason::OutOfResources => Manner::Limit,
        Reason::DestinationDenied | Reason::PortDenied | Reason::Loop => Manner::Policy,
        Reason::BadRequest | Reason::BadRequestFraming | Reason::BadRequestBody | Reason::BadTarget => Manner::Protocol,
        Reason::BadVersion | Reason::BadExpectation | Reason::NotFound => Manner::Protocol,
        Reason::BadResponse | Reason::BadResponseBody | Reason::UnaskedUpgrade => Manner::Protocol,
        Reason::NameNotFound | Reason::NameFailed => Manner::Unreachable,
        Reason::ConnectRefused | Reason::ConnectFailed => Manner::Unreachable,
        Reason::Drained => Manner::Shutdown,
        Reason::SourceLimit | Reason::PairLimit | Reason::DestinationLimit | Reason::ProxyLimit => Manner::Limit,
        Reason::SourceRate | Reason::DestinationRate | Reason::Overloaded => Manner::Limit,
        Reason::StreamLimit | Reason::StreamEvicted | Reason::ScanOverload => Manner::Limit,
        Reason::ContentBlocked | Reason::ContentCut | Reason::UrlBlocked => Manner::Policy,
        Reason::RequestTooLarge | Reason::ResponseTooLarge | Reason::SizeCut => Manner::Limit,
        Reason::ScannerFailed | Reason::ScannerCut => Manner::Policy,
        Reason::SlowFile => Manner::TimeOut,
        Reason::DownloadGone => Manner::Protocol,
    }
}

/// The setting under `[timeouts]`, or `deadline` of `[inspect]`, that ran out, for the reasons that are one.
pub fn timer_of(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::RequestHeadTimeout => "request_head",
        Reason::RequestBodyTimeout => "body_floor",
        Reason::ClientWriteTimeout => "client_write",
        Reason::NameTimeout => "resolve",
        Reason::ConnectTimeout => "connect",
        Reason::ResponseHeadTimeout => "response_head",
        Reason::ResponseBodyTimeout | Reason::TunnelIdle => "stream_idle",
        Reason::UpstreamWriteTimeout => "upstream_write",
        Reason::HalfCloseLimit => "half_close_http",
        Reason::TunnelHalfClose => "half_close_tunnel",
        Reason::SlowFile => "deadline",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reason: who, how, and the time-out, if it is one.
    const TOLD: &str = "
        done nobody complete -
        client_fin client fin -                     client_reset client reset -
        half_close_limit client fin half_close_http
        request_head_timeout proxy time_out request_head
        request_body_timeout proxy time_out body_floor
        client_write_timeout proxy time_out client_write
        read_ahead_full proxy limit -               bad_request proxy protocol -
        bad_request_framing proxy protocol -        bad_request_body proxy protocol -
        request_body_cut client fin -               bad_target proxy protocol -
        bad_version proxy protocol -                bad_expectation proxy protocol -
        request_head_too_large proxy limit -        not_found proxy protocol -
        loop proxy policy -                         destination_denied proxy policy -
        port_denied proxy policy -                  name_not_found upstream unreachable -
        name_failed upstream unreachable -          name_timeout proxy time_out resolve
        connect_refused upstream unreachable -      connect_failed upstream unreachable -
        connect_timeout proxy time_out connect      upstream_closed upstream fin -
        upstream_reset upstream reset -             response_head_timeout proxy time_out response_head
        bad_response proxy protocol -               response_head_too_large proxy limit -
        too_many_interim proxy limit -              unasked_upgrade proxy protocol -
        response_cut upstream fin -                 bad_response_body proxy protocol -
        response_reset upstream reset -             response_body_timeout proxy time_out stream_idle
        upstream_write_timeout proxy time_out upstream_write
        tunnel_idle proxy time_out stream_idle      tunnel_half_close proxy time_out half_close_tunnel
        tunnel_upstream_reset upstream reset -      drained proxy shutdown -
        out_of_resources proxy limit -              source_limit proxy limit -
        pair_limit proxy limit -                    destination_limit proxy limit -
        proxy_limit proxy limit -                   source_rate proxy limit -
        destination_rate proxy limit -              overloaded proxy limit -
        stream_limit proxy limit -                  stream_evicted proxy limit -
        content_blocked proxy policy -              content_cut proxy policy -
        url_blocked proxy policy -                  request_too_large proxy limit -
        response_too_large proxy limit -            size_cut proxy limit -
        scanner_failed proxy policy -               scanner_cut proxy policy -
        scan_overload proxy limit -                 slow_file proxy time_out deadline
        download_gone proxy protocol -";

    #[test]
    fn every_reason_tells_who_closed_and_how() {
        let words: Vec<&str> = TOLD.split_whitespace().collect();
        let mut expected: Vec<String> = words.chunks(4).map(|row| row.join(" ")).collect();
        let tell = |reason: Reason| {
            let How { closer, manner } = how(reason);
            let timer = timer_of(reason).unwrap_or("-");
            format!("{} {} {} {timer}", reason.label(), closer.label(), manner.label())
        };
        let mut told: Vec<String> = Reason::all().map(tell).collect();
        expected.sort();
        told.sort();
        assert_eq!(told, expected);
    }

    #[test]
    fn what_ran_out_of_time_names_its_timer() {
        for reason in Reason::all().filter(|reason| how(*reason).manner == Manner::TimeOut) {
            assert!(timer_of(reason).is_some(), "{}", reason.label());
        }
    }
}
