//! `tether origins`: what a running proxy has learned of origins.

use std::fmt::Write as _;

use serde::Deserialize;

use super::arguments::{Format, ListingOptions};
use super::environment::Environment;
use super::outcome::{Exit, Failure};
use super::table::{Table, age};
use super::{Console, admin_address, admin_client};

const PATH: &str = "/api/v1/origins";

const HEADINGS: [&str; 4] = ["ORIGIN", "CLOSES AFTER", "STALE FAILURES", "NOT REUSED FOR"];

/// What the admin port answers.
#[derive(Debug, Deserialize)]
struct Page {
    origins: Vec<Origin>,
    /// How many there are, shown or not.
    total: usize,
}

#[derive(Debug, Deserialize)]
struct Origin {
    authority: String,
    closes_after_ms: Option<u64>,
    stale_failures: u32,
    quarantined_for_ms: Option<u64>,
}

/// Prints the origins, those in quarantine first.
pub(super) fn print(
    options: &ListingOptions,
    environment: &Environment,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let address = admin_address(&options.admin, environment)?;
    let (page, body) =
        admin_client::read::<Page>(address, PATH, "that is no list of origins").map_err(Failure::Admin)?;
    match options.output.format() {
        Format::Json => writeln!(console.out, "{body}")?,
        Format::Text => console.out.write_all(table(&page).as_bytes())?,
    }
    Ok(Exit::Done)
}

fn table(page: &Page) -> String {
    if page.origins.is_empty() {
        return "nothing learned yet\n".to_owned();
    }
    let mut table = Table::new(HEADINGS, 1);
    let time = |ms: Option<u64>| ms.map_or("-".to_owned(), age);
    for origin in &page.origins {
        let failures = origin.stale_failures.to_string();
        table.push([origin.authority.clone(), time(origin.closes_after_ms), failures, time(origin.quarantined_for_ms)]);
    }
    let (mut text, shown) = (table.text(), page.origins.len());
    if page.total > shown {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{shown} of {0} shown; {PATH}?limit={0} has them all", page.total);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_a_dash() {
        let page: Page = serde_json::from_str(
            r#"{"origins":[
                {"authority":"b.example:443","closes_after_ms":5000,"stale_failures":3,"quarantined_for_ms":61000},
                {"authority":"a.example:80","closes_after_ms":null,"stale_failures":0,"quarantined_for_ms":null}
            ],"total":3}"#,
        )
        .expect("page");
        let expected = "\
ORIGIN         CLOSES AFTER  STALE FAILURES  NOT REUSED FOR
b.example:443          5.0s               3           1m01s
a.example:80              -               0               -
2 of 3 shown; /api/v1/origins?limit=3 has them all
";
        assert_eq!(table(&page), expected);
        assert_eq!(table(&Page { origins: Vec::new(), total: 0 }), "nothing learned yet\n");
    }
}
