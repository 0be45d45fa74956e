//! What is seen from outside: counters, the table of what is open now, the last ends, the access log.

pub mod access_log;
pub mod counters;
pub mod ends;
pub mod icap_server;
pub mod inspection_counters;
pub mod live;
pub mod record;
