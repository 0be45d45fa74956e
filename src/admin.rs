//! The admin port: health, metrics text and the table of streams.
//!
//! It has a thread and a runtime of its own, so that it answers when every worker is busy.

mod exposition;
mod guard;
mod health;
mod listener;
mod metrics;
pub mod process;
mod routes;
mod server;
pub mod settings;
mod state;
mod streams;
#[cfg(test)]
mod tests;
mod view;

pub use server::{AdminServer, start};
pub use state::{Serving, ServingState};
pub use view::AdminView;
