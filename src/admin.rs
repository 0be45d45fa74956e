//! The admin port: health, metrics text, what is open, what ended, what is limited; and the few changes it takes.
//!
//! It has a thread and a runtime of its own, so that it answers when every worker is busy.

mod answers;
mod bypass;
pub mod bypass_record;
mod changes;
mod ends;
mod exposition;
mod guard;
mod health;
mod icap;
mod limits;
mod listener;
mod metrics;
pub mod operations;
mod origins;
pub mod process;
mod reload;
mod routes;
mod server;
pub mod settings;
mod state;
mod streams;
#[cfg(test)]
mod tests;
mod view;
mod words;

pub use server::{AdminServer, start};
pub use state::{Serving, ServingState};
pub use view::AdminView;
