//! What the tests share: a proxy, origins, clients.

pub mod admin;
pub mod alone;
pub mod answer;
pub mod client;
pub mod coded;
pub mod kernel;
pub mod lone_worker;
pub mod origin;
pub mod patience;
pub mod proxy;
pub mod random;
pub mod rules;
pub mod script;
pub mod still_worker;
pub mod tally;
pub mod wire;
