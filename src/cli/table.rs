//! Tables for terminals: columns that line up, and values in few letters.

/// A table with `N` columns, of which those from `first_number` on stand to the right.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
    first_number: usize,
}

impl<const N: usize> Table<N> {
    /// A table with nothing but its headings.
    pub fn new(headings: [&str; N], first_number: usize) -> Self {
        Self { rows: vec![headings.map(str::to_owned)], first_number }
    }

    /// Adds a row; nothing in it moves a terminal's cursor or changes its colours.
    pub fn push(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| printable(&cell)));
    }

    /// The whole text, headings first.
    pub fn text(&self) -> String {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; N] = std::array::from_fn(width);
        self.rows.iter().map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, row: &[String; N], widths: &[usize; N]) -> String {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if column < self.first_number { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    }
}

/// `text` without characters that move a terminal's cursor or change its colours.
pub(super) fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// The same for text of several lines.
pub(super) fn printable_lines(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}")
}

/// The two largest units of a time.
pub(super) fn age(ms: u64) -> String {
    match (ms, ms / 1000) {
        (..1000, _) => format!("{ms}ms"),
        (_, seconds @ ..60) => format!("{seconds}.{}s", ms % 1000 / 100),
        (_, seconds @ ..3600) => format!("{}m{:02}s", seconds / 60, seconds % 60),
        (_, seconds @ ..86_400) => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        (_, seconds) => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A number of bytes in the largest unit that leaves something before the point.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut rest = bytes as f64;
    let mut unit = "B";
    for larger in UNITS {
        if rest < 1024.0 {
            break;
        }
        (rest, unit) = (rest / 1024.0, larger);
    }
    if unit == "B" { format!("{bytes}B") } else { format!("{rest:.1}{unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_short() {
        for (ms, text) in [
            (0, "0ms"),
            (999, "999ms"),
            (1_000, "1.0s"),
            (59_999, "59.9s"),
            (60_000, "1m00s"),
            (3_599_999, "59m59s"),
            (3_660_000, "1h01m"),
            (90_000_000, "1d01h"),
        ] {
            assert_eq!(age(ms), text);
        }
        for (bytes, text) in
            [(0, "0B"), (1023, "1023B"), (1024, "1.0KiB"), (1_572_864, "1.5MiB"), (u64::MAX, "16384.0PiB")]
        {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn lines_survive_and_control_characters_do_not() {
        assert_eq!(printable_lines("a\n\u{1b}[2J\r"), "a\n\u{fffd}[2J\u{fffd}");
        assert_eq!(printable("a\nb"), "a\u{fffd}b");
    }
}
