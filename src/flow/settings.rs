//! How long each wait may last and how large a head may be.

use std::time::Duration;

/// A time-out for every wait. All are settings of `[timeouts]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeouts {
    /// Keep-alive: time to the first byte of the next request (`client_idle`).
    pub client_idle: Duration,
    /// The whole request head, from its first byte; one clock, not one per read (`request_head`).
    pub request_head: Duration,
    /// Window over which the request body must keep [`Timeouts::body_floor`] (`body_window`).
    pub body_window: Duration,
    /// Least bytes per second of a request body while the origin takes them; 0 turns the floor off (`body_floor`).
    pub body_floor: u64,
    /// TCP connect to one address (`connect`).
    pub connect: Duration,
    /// Name and all addresses together (`connect_total`).
    pub connect_total: Duration,
    /// Head start of one address over the next, RFC 8305 (`connect_head_start`).
    pub connect_head_start: Duration,
    /// Request sent to response head; long, for long polls (`response_head`).
    pub response_head: Duration,
    /// Silence in a response body or tunnel (`stream_idle`).
    pub stream_idle: Duration,
    /// The origin takes nothing of a request body (`upstream_write`).
    pub upstream_write: Duration,
    /// The client takes nothing of what we hold for it, as seen by what the kernel takes from us (`client_write`). It must
    /// be longer than a slow client needs for a third of a send buffer.
    pub client_write: Duration,
    /// A half-closed client waits for its answer where `on_client_fin = "finish"` (`half_close_http`).
    pub half_close_http: Duration,
    /// A tunnel with one direction ended waits for the other (`half_close_tunnel`).
    pub half_close_tunnel: Duration,
    /// A kept upstream connection may be used again (`upstream_idle`).
    pub upstream_idle: Duration,
    /// A name lookup (`resolve`).
    pub resolve: Duration,
    /// Drain at shutdown (`drain`).
    pub drain: Duration,
}

/// How long a destination may be silent: as for all, or as its `[[destination]]` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Request sent to response head.
    pub response_head: Duration,
    /// Silence in a response body or tunnel.
    pub stream_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            client_idle: seconds(60),
            request_head: seconds(10),
            body_window: seconds(30),
            body_floor: 500,
            connect: seconds(5),
            connect_total: seconds(15),
            connect_head_start: Duration::from_millis(250),
            response_head: seconds(300),
            stream_idle: seconds(3600),
            upstream_write: seconds(60),
            client_write: seconds(300),
            half_close_http: seconds(30),
            half_close_tunnel: seconds(120),
            upstream_idle: seconds(30),
            resolve: seconds(5),
            drain: seconds(30),
        }
    }
}
