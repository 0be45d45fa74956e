//! How much at once, and how much in a second: rules, exact counters, fair queues, guards.

pub mod settings;
