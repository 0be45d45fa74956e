//! The bypass list as the admin port tells it, and as people read it.

use serde::Deserialize;

use crate::cli::table::{Table, printable};

const HEADINGS: [&str; 9] = ["ID", "MATCH", "SOURCE", "SKIP", "UNTIL", "ORIGIN", "ABOUT", "LAST HIT", "HITS"];

const SUGGESTED: [&str; 5] = ["MATCH", "EVIDENCE", "LAST SEEN", "CLIENTS", "SEEN"];

/// Entries: all, those that match, or those that were changed.
#[derive(Debug, Deserialize)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    never: Option<bool>,
    /// Whether edits survive the end of the process.
    pub kept: bool,
}

/// One entry.
#[derive(Debug, Deserialize)]
pub struct Entry {
    /// Its name in the API.
    pub id: String,
    /// What it speaks of.
    #[serde(rename = "match")]
    pub matched: String,
    source: Option<String>,
    skip: Vec<String>,
    until: Option<String>,
    owner: Option<String>,
    note: Option<String>,
    ticket: Option<String>,
    /// Where it comes from.
    pub origin: String,
    hits: u64,
    last_hit: Option<String>,
    expired: bool,
}

/// What could be bypassed.
#[derive(Debug, Deserialize)]
pub struct Suggestions {
    suggestions: Vec<Suggestion>,
}

#[derive(Debug, Deserialize)]
struct Suggestion {
    #[serde(rename = "match")]
    matched: String,
    evidence: Vec<String>,
    clients: u64,
    seen: u64,
    last: String,
}

impl Page {
    /// The table.
    pub fn text(&self) -> String {
        if self.entries.is_empty() {
            return "nothing is bypassed\n".to_owned();
        }
        self.table()
    }

    /// Which entries match, or why none does.
    pub fn verdict(&self) -> String {
        match self.never {
            Some(true) => "never bypassed: [[never]] of bypass.toml\n".to_owned(),
            _ if self.entries.is_empty() => "no entry matches\n".to_owned(),
            _ => self.table(),
        }
    }

    fn table(&self) -> String {
        let mut table = Table::new(HEADINGS, 8);
        self.entries.iter().for_each(|entry| table.push(entry.row()));
        table.text()
    }
}

impl Entry {
    fn row(&self) -> [String; HEADINGS.len()] {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let over = if self.expired { " (over)" } else { "" };
        [
            self.id.clone(),
            self.matched.clone(),
            or_dash(&self.source),
            self.skip.join(","),
            or_dash(&self.until) + over,
            self.origin.clone(),
            self.about(),
            or_dash(&self.last_hit),
            self.hits.to_string(),
        ]
    }

    fn about(&self) -> String {
        let words: Vec<&str> =
            [&self.ticket, &self.owner, &self.note].into_iter().flatten().map(String::as_str).collect();
        if words.is_empty() { "-".to_owned() } else { words.join("; ") }
    }

    /// What it says, in one line.
    pub fn sentence(&self) -> String {
        let Entry { id, matched, .. } = self;
        let source = self.source.as_ref().map(|source| format!(" for {source}")).unwrap_or_default();
        let until = self.until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
        printable(&format!("{id}: {matched}{source}: skips {}{until}", self.skip.join(", ")))
    }
}

impl Suggestions {
    /// The table.
    pub fn text(&self) -> String {
        if self.suggestions.is_empty() {
            return "nothing is suggested\n".to_owned();
        }
        let mut table = Table::new(SUGGESTED, 3);
        for one in &self.suggestions {
            let (clients, seen) = (one.clients.to_string(), one.seen.to_string());
            table.push([one.matched.clone(), one.evidence.join(","), one.last.clone(), clients, seen]);
        }
        table.text() + "\n`tether bypass add MATCH` puts one on the list.\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stand_with_their_uses() {
        let page: Page = serde_json::from_str(
            r#"{"entries":[
                {"id":"f0000000001","match":"*.example","source":null,"skip":["scan"],"until":null,"owner":null,
                 "note":null,"ticket":null,"origin":"file","created":null,"hits":0,"last_hit":null,"expired":false},
                {"id":"e0000000002","match":"a.example","source":"10.0.0.0/8","skip":["scan","limits"],
                 "until":"2026-11-21T03:04:05.000Z","owner":"anna","note":"x\u001b[2J","ticket":"T-1","origin":"edited",
                 "created":"2026-11-21T01:04:05.000Z","hits":12,"last_hit":"2026-11-21T02:00:00.000Z","expired":true}],
                "learn":"suggest","kept":true}"#,
        )
        .expect("page");
        let expected = "\
ID           MATCH      SOURCE      SKIP         UNTIL                            ORIGIN  ABOUT             LAST HIT                  HITS
f0000000001  *.example  -           scan         -                                file    -                 -                            0
e0000000002  a.example  10.0.0.0/8  scan,limits  2026-11-21T03:04:05.000Z (over)  edited  T-1; anna; x\u{fffd}[2J  2026-11-21T02:00:00.000Z    12
";
        assert_eq!(page.text(), expected);
        let sentence = "e0000000002: a.example for 10.0.0.0/8: skips scan, limits until 2026-11-21T03:04:05.000Z";
        assert_eq!(page.entries[1].sentence(), sentence);
    }

    #[test]
    fn suggestions_stand_with_their_evidence() {
        let page: Suggestions = serde_json::from_str(
            r#"{"suggestions":[{"match":"p1.livesport.example","evidence":["idle_gap","media_type"],"clients":3,"seen":41,
                "last":"2026-11-21T02:00:00.000Z"}]}"#,
        )
        .expect("page");
        let expected = "\
MATCH                 EVIDENCE             LAST SEEN                 CLIENTS  SEEN
p1.livesport.example  idle_gap,media_type  2026-11-21T02:00:00.000Z        3    41

`tether bypass add MATCH` puts one on the list.
";
        assert_eq!(page.text(), expected);
    }
}
