//! The two texts metrics are read in: OpenMetrics, and the older format of Prometheus.

use std::fmt;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

/// A text format for metrics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Exposition {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus text 0.0.4.
    Classic,
}

impl Exposition {
    /// The format for the values of `Accept`: OpenMetrics only when it is asked for and not liked less than plain text.
    pub(super) fn choose<'a>(accepted: impl Iterator<Item = &'a str>) -> Exposition {
        let (mut open, mut plain) = (0.0, 0.0);
        for range in accepted.flat_map(|value| value.split(',')) {
            let (name, quality) = media_range(range);
            match name {
                Some(Exposition::OpenMetrics) => open = quality.max(open),
                Some(Exposition::Classic) => plain = quality.max(plain),
                None => {}
            }
        }
        if open > 0.0 && open >= plain { Exposition::OpenMetrics } else { Exposition::Classic }
    }

    /// The value of `Content-Type`; Prometheus 3 refuses a scrape without it.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Exposition::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Exposition::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The text of everything in `registry`.
    ///
    /// # Errors
    /// A collector failed; ours do not.
    pub(super) fn encode(self, registry: &Registry) -> Result<String, fmt::Error> {
        let mut open = String::with_capacity(32 * 1024);
        text::encode(&mut open, registry)?;
        Ok(match self {
            Exposition::OpenMetrics => open,
            Exposition::Classic => classic(&open),
        })
    }
}

/// The format one range of `Accept` names, if it is one of ours in a version we write, and how much it is liked.
fn media_range(range: &str) -> (Option<Exposition>, f32) {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let (mut quality, mut version) = (1.0, None);
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        match key.trim().to_ascii_lowercase().as_str() {
            "q" => quality = value.trim().parse().unwrap_or(0.0),
            "version" => version = Some(value.trim().trim_matches('"')),
            _ => {}
        }
    }
    let format = match (name.as_str(), version) {
        ("application/openmetrics-text", None | Some("1.0.0")) => Some(Exposition::OpenMetrics),
        ("text/plain", None | Some("0.0.4")) => Some(Exposition::Classic),
        _ => None,
    };
    (format, quality)
}

/// Rewrites OpenMetrics as Prometheus text: there a counter's family has the name of its samples, `_total` included,
/// and no marker ends the text.
fn classic(open: &str) -> String {
    let mut text = String::with_capacity(open.len() + 1024);
    let mut lines = open.lines().filter(|line| *line != "# EOF").peekable();
    while let Some(line) = lines.next() {
        let counter = counter_of(line).or_else(|| lines.peek().and_then(|next| counter_of(next)));
        match counter.and_then(|name| line.split_once(name)).filter(|_| line.starts_with('#')) {
            Some((before, after)) => text.extend([before, counter.unwrap_or_default(), "_total", after]),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// The name of the counter family whose type this line tells.
fn counter_of(line: &str) -> Option<&str> {
    line.strip_prefix("# TYPE ")?.strip_suffix(" counter")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Exposition {
        Exposition::choose([accept].into_iter())
    }

    #[test]
    fn openmetrics_only_when_asked_for() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
            application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,\
            text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        assert_eq!(chosen(prometheus), Exposition::OpenMetrics);
        assert_eq!(chosen("Application/OpenMetrics-Text"), Exposition::OpenMetrics);
        assert_eq!(chosen("application/openmetrics-text; Version=\"1.0.0\"; Q=1"), Exposition::OpenMetrics);
        for accept in [
            "",
            "*/*",
            "text/plain",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=x",
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-text;q=0.3,text/plain;q=0.9",
            ";;==,,q=",
        ] {
            assert_eq!(chosen(accept), Exposition::Classic, "{accept}");
        }
    }

    #[test]
    fn counters_get_their_full_name_in_the_older_format() {
        let open = "# HELP a_b a_b counts.\n# TYPE a_b counter\na_b_total{x=\"# TYPE a_b counter\"} 1\n\
            # HELP g Is a gauge.\n# TYPE g gauge\ng 2\n# EOF\n";
        let expected = "# HELP a_b_total a_b counts.\n# TYPE a_b_total counter\na_b_total{x=\"# TYPE a_b counter\"} 1\n\
            # HELP g Is a gauge.\n# TYPE g gauge\ng 2\n";
        assert_eq!(classic(open), expected);
    }
}
