//! The order of things: session, exchange, tunnel. Reads like a table of contents; the decisions are made elsewhere.

pub mod admission;
pub mod ahead;
pub mod answer;
pub mod connect;
pub mod exchange;
pub mod floor;
pub mod holding;
pub mod icap_server;
pub mod inspection;
pub mod ledger;
pub mod outbox;
pub mod pump;
pub mod reuse;
pub mod services;
pub mod session;
pub mod settings;
pub mod stall;
pub mod tap;
pub mod transfer;
pub mod tunnel;
