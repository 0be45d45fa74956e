//! Until when: times as people and programs write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Unclear;

const DAY: u64 = 86_400;

/// Units of durations, in seconds.
const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", DAY)];

/// The longest time from now; what is for longer is for ever.
const LONGEST: u64 = 3650 * DAY;

/// A time as in RFC 3339, or a day, which is meant to its end in UTC.
///
/// # Errors
/// [`Unclear`], with what to write instead.
pub fn time(text: &str) -> Result<SystemTime, Unclear> {
    let read = day_end(text).or_else(|| rfc3339(text));
    read.map(|since| UNIX_EPOCH + since).ok_or_else(|| {
        let help = "write it as `2027-01-31T18:00:00Z`, or `2027-01-31` for the end of that day";
        Unclear::new(format!("`{text}` is not a time"), help)
    })
}

/// The same, or so much from `now`: `2h`, `7d`.
///
/// # Errors
/// [`Unclear`], with what to write instead.
pub fn until(text: &str, now: SystemTime) -> Result<SystemTime, Unclear> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit && !number.is_empty()) else {
        return time(text).map_err(|unclear| Unclear {
            help: format!("write `2h` or `7d` for so long, or {}", &unclear.help[6..]),
            ..unclear
        });
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*scale));
    match seconds.filter(|seconds| (1..=LONGEST).contains(seconds)) {
        Some(seconds) => Ok(now + Duration::from_secs(seconds)),
        None => Err(Unclear::new(format!("`{text}` is no time that ends"), "write `1s` to `3650d`, or leave it out")),
    }
}

/// The number at the beginning of `text`, of exactly `digits` digits, and what is behind it.
fn number(text: &str, digits: usize) -> Option<(u64, &str)> {
    let (number, rest) = text.split_at_checked(digits)?;
    let plain = number.bytes().all(|byte| byte.is_ascii_digit());
    Some((number.parse().ok().filter(|_| plain)?, rest))
}

/// The day at the beginning of `text`, counted from 1970-01-01, and what is behind it.
fn day(text: &str) -> Option<(u64, &str)> {
    let (year, rest) = number(text, 4)?;
    let (month, rest) = number(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = number(rest.strip_prefix('-')?, 2)?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || !(1..=length).contains(&day) {
        return None;
    }
    // Years that begin in March have their leap day at the end (as in the access log's clock).
    let from_march = (month + 9) % 12;
    let year = year - u64::from(month <= 2);
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * from_march + 2) / 5 + day - 1;
    Some((days - 719_468, rest))
}

fn day_end(text: &str) -> Option<Duration> {
    let (day, rest) = day(text)?;
    rest.is_empty().then(|| Duration::from_secs((day + 1) * DAY))
}

/// The time since 1970, in whole milliseconds.
fn rfc3339(text: &str) -> Option<Duration> {
    let (day, rest) = day(text)?;
    let (hour, rest) = number(rest.strip_prefix(['T', 't', ' '])?, 2)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = number(rest.strip_prefix(':')?, 2)?;
    let (millis, rest) = match rest.strip_prefix('.') {
        Some(rest) => fraction(rest),
        None => (0, rest),
    };
    // A leap second is the last of its minute.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = (day * DAY + hour * 3600 + minute * 60 + second).checked_add_signed(-offset(rest)?)?;
    Some(Duration::from_secs(seconds) + Duration::from_millis(millis))
}

/// The milliseconds that the digits behind a point say, and what is behind those.
fn fraction(text: &str) -> (u64, &str) {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = text.bytes().take(text.len() - rest.len()).chain([b'0'; 3]).take(3);
    (digits.fold(0, |millis, digit| millis * 10 + u64::from(digit - b'0')), rest)
}

/// Seconds that a zone is ahead of UTC.
fn offset(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match text.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, text.strip_prefix('-')?),
    };
    let (hours, rest) = number(rest, 2)?;
    let (minutes, rest) = number(rest.strip_prefix(':')?, 2)?;
    let seconds = i64::try_from(hours * 3600 + minutes * 60).ok()?;
    (rest.is_empty() && hours < 24 && minutes < 60).then_some(sign * seconds)
}
