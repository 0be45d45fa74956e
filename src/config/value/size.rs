//! Sizes in bytes, and shares of a whole. Pure.

use super::Wrong;

/// Units of sizes in bytes. The binary ones, longest first, are those that sizes are spelt with.
const UNITS: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
    ("", 1),
];

/// The largest size that may be written: far more than any machine has, and a number that TOML can hold.
const LARGEST: u64 = 1 << 60;

/// A size: a whole number, with or without a unit.
pub(in crate::config) fn size(text: &str) -> Result<u64, Wrong> {
    const HELP: &str = "write a whole number of bytes, or one with a unit, such as `512KiB`, `2MiB` or `1GB`";
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let known = UNITS.iter().find(|(name, _)| *name == unit);
    match (known, number.is_empty()) {
        (Some((_, scale)), false) => match number.parse::<u64>().ok().and_then(|number| number.checked_mul(*scale)) {
            Some(bytes) if bytes <= LARGEST => Ok(bytes),
            _ => Err(Wrong::new(format!("`{text}` is more than any machine has"), HELP)),
        },
        (None, false) => match UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
            Some((name, _)) => Err(Wrong::new(format!("`{unit}` is not a unit"), format!("write `{number}{name}`"))),
            None => Err(Wrong::new(format!("`{text}` is not a size"), HELP)),
        },
        (_, true) => Err(Wrong::new(format!("`{text}` is not a size"), HELP)),
    }
}

/// The shortest way to write `bytes`.
pub(in crate::config) fn spell_size(bytes: u64) -> String {
    match UNITS[..3].iter().find(|(_, scale)| bytes >= *scale && bytes.is_multiple_of(*scale)) {
        Some((unit, scale)) => format!("{}{unit}", bytes / scale),
        None => bytes.to_string(),
    }
}

/// A share in percent, 1 to 100, such as `25%`.
pub(in crate::config) fn percent(text: &str) -> Result<u8, Wrong> {
    let digits = text.strip_suffix('%').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse::<u8>().ok()) {
        Some(share @ 1..=100) => Ok(share),
        _ => Err(Wrong::new(format!("`{text}` is not a share"), "write a percentage from `1%` to `100%`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_with_and_without_units() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("17B", 17),
            ("1kB", 1000),
            ("1KiB", 1024),
            ("2MiB", 2 << 20),
            ("3MB", 3_000_000),
            ("1GiB", 1 << 30),
            ("5GB", 5_000_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
            assert_eq!(size(&spell_size(bytes)), Ok(bytes), "{text}");
        }
        assert_eq!([1536, 2048, 3 << 30].map(spell_size), ["1536", "2KiB", "3GiB"]);
    }

    #[test]
    fn what_is_no_size_or_share() {
        for text in ["", "MiB", "1.5MiB", "-1", "1 MiB", "1TiB", "99999999999999999999", "99999999999GiB", "2%"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(size("2mib").expect_err("case").help, "write `2MiB`");
        assert_eq!((percent("1%"), percent("100%")), (Ok(1), Ok(100)));
        for text in ["", "%", "0%", "101%", "25", "+5%", "2.5%", "1%%", "300%"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }
}
