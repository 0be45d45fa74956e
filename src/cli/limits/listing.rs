//! The limits as the admin port tells them, and as people read them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use crate::cli::table::{Table, printable, size};

const HEADINGS: [&str; 8] = ["RULE", "PER", "HOLDER", "EXCHANGES", "PEAK", "STREAMS", "PEAK", "QUEUED"];

const RATE_HEADINGS: [&str; 7] = ["RATE", "PER", "REQUESTS/S", "BYTES/S", "REFUSED", "DELAYED", "SIMULATED"];

/// All rules and rates.
#[derive(Debug, Deserialize)]
pub struct Page {
    mode: String,
    rules: Vec<Rule>,
    rates: Vec<RateRow>,
}

/// The answer to a change.
#[derive(Debug, Deserialize)]
pub struct Changed {
    /// The switch over all rules.
    pub mode: String,
    /// The rule as it is now.
    pub rule: Option<Rule>,
}

/// One rule.
#[derive(Debug, Deserialize)]
pub struct Rule {
    name: String,
    per: String,
    exchanges: Option<u32>,
    streams: Option<u32>,
    over: String,
    mode: String,
    edited: bool,
    rejections: BTreeMap<String, u64>,
    would_reject: u64,
    evictions: u64,
    #[serde(default)]
    holders: Vec<Holder>,
}

#[derive(Debug, Deserialize)]
struct RateRow {
    name: String,
    per: String,
    requests: Option<Pace>,
    bytes: Option<Pace>,
    mode: String,
    refused: u64,
    delayed: u64,
    simulated: u64,
}

#[derive(Debug, Deserialize)]
struct Pace {
    per_second: u64,
}

#[derive(Debug, Deserialize)]
struct Holder {
    holder: String,
    exchanges: u32,
    streams: u32,
    queued: u32,
    peak: Lanes,
}

#[derive(Debug, Deserialize)]
struct Lanes {
    exchanges: u32,
    streams: u32,
}

impl Page {
    /// The switch, the table of holders, what the rules have refused, and the table of rates.
    pub fn text(&self) -> String {
        let text = format!("limits: {}\n", printable(&self.mode));
        match (self.rules.is_empty(), self.rates.is_empty()) {
            (true, true) => text + "no rules\n",
            (true, false) => text + &self.rate_table(),
            (false, true) => text + &self.rule_table(),
            (false, false) => text + &self.rule_table() + "\n" + &self.rate_table(),
        }
    }

    fn rule_table(&self) -> String {
        let mut table = Table::new(HEADINGS, 3);
        self.rules.iter().flat_map(Rule::rows).for_each(|row| table.push(row));
        let mut text = table.text();
        text.extend(self.rules.iter().filter_map(Rule::deeds));
        text
    }

    fn rate_table(&self) -> String {
        let mut table = Table::new(RATE_HEADINGS, 2);
        self.rates.iter().map(RateRow::cells).for_each(|row| table.push(row));
        table.text()
    }
}

impl RateRow {
    fn cells(&self) -> [String; RATE_HEADINGS.len()] {
        let RateRow { name, per, requests, bytes, mode, refused, delayed, simulated } = self;
        let watched = if mode == "enforce" { "" } else { " (simulate)" };
        let requests = requests.as_ref().map_or("-".to_owned(), |pace| pace.per_second.to_string());
        let bytes = bytes.as_ref().map_or("-".to_owned(), |pace| size(pace.per_second));
        let [refused, delayed, simulated] = [refused, delayed, simulated].map(u64::to_string);
        [format!("{name}{watched}"), per.clone(), requests, bytes, refused, delayed, simulated]
    }
}

impl Rule {
    /// The settings in one line.
    pub fn sentence(&self) -> String {
        let Rule { name, over, mode, .. } = self;
        let (exchanges, streams) = (cap(self.exchanges), cap(self.streams));
        printable(&format!("{name}: exchanges {exchanges}, streams {streams}, over {over}, mode {mode}"))
    }

    /// A row for each holder, or one that says there is none.
    fn rows(&self) -> Vec<[String; HEADINGS.len()]> {
        let of = |count: u32, limit: Option<u32>| format!("{count}/{}", cap(limit));
        let row =
            |holder: &str, [exchanges, streams, queued]: [u32; 3], [most_exchanges, most_streams]: [String; 2]| {
                let (exchanges, streams) = (of(exchanges, self.exchanges), of(streams, self.streams));
                let (title, per, holder) = (self.title(), self.per.clone(), holder.to_owned());
                [title, per, holder, exchanges, most_exchanges, streams, most_streams, queued.to_string()]
            };
        if self.holders.is_empty() {
            return vec![row("-", [0, 0, 0], ["-", "-"].map(str::to_owned))];
        }
        let one = |holder: &Holder| {
            let Holder { exchanges, streams, queued, peak, .. } = holder;
            let peaks = [peak.exchanges, peak.streams].map(|peak| peak.to_string());
            row(&holder.holder, [*exchanges, *streams, *queued], peaks)
        };
        self.holders.iter().map(one).collect()
    }

    /// The name, and what is out of the ordinary about the rule.
    fn title(&self) -> String {
        let watched = if self.mode == "enforce" { "" } else { " (simulate)" };
        let edited = if self.edited { " (edited)" } else { "" };
        format!("{}{watched}{edited}", self.name)
    }

    /// What it has done so far; nothing while that is nothing.
    fn deeds(&self) -> Option<String> {
        let whys = self.rejections.iter().filter(|(_, count)| **count > 0);
        let mut deeds: Vec<String> = whys.map(|(why, count)| format!("refused {count} ({why})")).collect();
        deeds.extend((self.would_reject > 0).then(|| format!("would have refused {}", self.would_reject)));
        deeds.extend((self.evictions > 0).then(|| format!("evicted {}", self.evictions)));
        if deeds.is_empty() {
            return None;
        }
        let mut line = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(line, "{}", printable(&format!("{}: {}", self.name, deeds.join(", "))));
        Some(line)
    }
}

fn cap(limit: Option<u32>) -> String {
    limit.map_or("-".to_owned(), |limit| limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_stand_beside_their_limits() {
        let page: Page = serde_json::from_str(
            r#"{"mode":"enforce","rules":[
                {"name":"livesport-pair","per":"pair","exchanges":32,"streams":6,"over":"reject","mode":"enforce",
                 "edited":false,"in_use":{"exchanges":40,"streams":7},"peak":{"exchanges":44,"streams":9},"queued":3,
                 "rejections":{"exchanges":0,"streams":12,"queue_full":2},"would_reject":0,"evictions":1,"holders":[
                    {"holder":"192.0.2.7 livesport","exchanges":32,"streams":6,"queued":3,
                     "peak":{"exchanges":32,"streams":6}},
                    {"holder":"192.0.2.8 live\u001b[2Jsport","exchanges":8,"streams":1,"queued":0,
                     "peak":{"exchanges":12,"streams":3}}]},
                {"name":"sources","per":"source","exchanges":512,"streams":null,"over":"queue","mode":"simulate",
                 "edited":true,"in_use":{"exchanges":0,"streams":0},"peak":{"exchanges":0,"streams":0},"queued":0,
                 "rejections":{},"would_reject":5,"evictions":0,"holders":[]}
            ],"rates":[
                {"name":"burst","per":"source","requests":{"per_second":20,"burst":60},"bytes":null,"mode":"enforce",
                 "refused":7,"delayed":0,"simulated":0},
                {"name":"video","per":"pair","requests":null,"bytes":{"per_second":2097152,"burst":4194304},
                 "mode":"simulate","refused":0,"delayed":0,"simulated":31}
            ]}"#,
        )
        .expect("page");
        let expected = "\
limits: enforce
RULE                         PER     HOLDER                   EXCHANGES  PEAK  STREAMS  PEAK  QUEUED
livesport-pair               pair    192.0.2.7 livesport          32/32    32      6/6     6       3
livesport-pair               pair    192.0.2.8 live\u{fffd}[2Jsport       8/32    12      1/6     3       0
sources (simulate) (edited)  source  -                            0/512     -      0/-     -       0
livesport-pair: refused 2 (queue_full), refused 12 (streams), evicted 1
sources: would have refused 5

RATE              PER     REQUESTS/S  BYTES/S  REFUSED  DELAYED  SIMULATED
burst             source          20        -        7        0          0
video (simulate)  pair             -   2.0MiB        0        0         31
";
        assert_eq!(page.text(), expected);
    }

    #[test]
    fn no_rules_are_said_to_be_none() {
        let page: Page = serde_json::from_str(r#"{"mode":"off","rules":[],"rates":[]}"#).expect("page");
        assert_eq!(page.text(), "limits: off\nno rules\n");
    }
}
