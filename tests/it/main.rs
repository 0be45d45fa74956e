//! All integration tests in one binary: a whole proxy on real sockets, with clients and origins that misbehave.

mod support;

mod bypass;
mod cancel;
mod expect;
mod explain;
mod framing;
mod guard;
mod half_close;
mod house;
mod icap;
mod icap_server;
mod inspect;
mod keep_alive;
mod limits;
mod load;
mod observe;
mod oracle;
mod reload;
mod responses;
mod reuse;
mod shutdown;
mod splice;
mod timeouts;
mod tunnel;
mod upgrade;
