//! Diagnostics of the running process: to standard error, text on a terminal and JSON otherwise.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use super::environment::Environment;
use crate::config::Colour;

const DEFAULT_FILTER: &str = "info";

/// Starts logging; a filter that is not understood is replaced and complained about.
pub(super) fn start(environment: &Environment) {
    let (filter, complaint) = filter(environment.log.as_deref());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = if io::stderr().is_terminal() {
        log.with_ansi(environment.colour == Colour::Ansi).try_init()
    } else {
        log.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
    // Somebody who embeds this and logs already has what is wanted here.
    let _ = started;
    if let Some(complaint) = complaint {
        tracing::warn!("{complaint}");
    }
}

/// The filter that `wanted` describes, or the default and what is wrong with `wanted`.
fn filter(wanted: Option<&str>) -> (EnvFilter, Option<String>) {
    match EnvFilter::try_new(wanted.unwrap_or(DEFAULT_FILTER)) {
        Ok(filter) => (filter, None),
        Err(error) => {
            let complaint = format!("TETHER_LOG is not understood ({error}); logging at \"{DEFAULT_FILTER}\"");
            (EnvFilter::new(DEFAULT_FILTER), Some(complaint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_replaced_and_told() {
        for (wanted, used) in
            [(None, "info"), (Some("debug"), "debug"), (Some("warn,tether::net=trace"), "tether::net=trace,warn")]
        {
            let (filter, complaint) = filter(wanted);
            assert_eq!((filter.to_string().as_str(), complaint), (used, None));
        }
        let (filter, complaint) = filter(Some("tether=loud"));
        assert_eq!(filter.to_string(), "info");
        assert!(complaint.expect("complaint").starts_with("TETHER_LOG is not understood"));
    }
}
