//! Tether: a forward HTTP/ICAP filtering proxy in which no client can leave anything behind.
//!
//! The code map, from the bottom up; imports point down only (a test holds them to it):
//!
//! | module | what lives there |
//! |---|---|
//! | [`base`] | nouns: authority, phase, reason |
//! | [`http`], [`policy`] | the HTTP/1 engine and the decisions; pure |
//! | [`observe`], [`net`] | counters, live table, log; sockets, pipes, names |
//! | [`tether`], [`upstream`], [`limits`] | the tie to the client; connections to origins; how much at once |
//! | [`inspect`], [`icap`] | what is looked for in bodies and how they are decoded; RFC 3507, as client and as server |
//! | [`flow`] | the order of things: session, exchange, tunnel |
//! | [`listen`], [`admin`], [`config`] | ports, the admin API, settings |
//! | [`worker`], [`app`], [`cli`] | threads, the whole, the command line |

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod admin;
pub mod app;
pub mod base;
pub mod cli;
pub mod config;
pub mod flow;
pub mod http;
pub mod icap;
pub mod inspect;
pub mod limits;
pub mod listen;
pub mod net;
pub mod observe;
pub mod policy;
pub mod tether;
pub mod tls;
pub mod upstream;
pub mod worker;
