//! A table of bad rule files: every problem at its line and column, all at once.

use super::{Expected, assert_found, read};

/// The problems of a file, `text` being its lines from the second on.
#[track_caller]
fn table(rows: &[(&str, &str, &[Expected])]) {
    for (header, lines, expected) in rows {
        let text = format!("{header}\n{lines}");
        assert_found("limits.toml", &text, &read(&text).expect_err(&text), expected);
    }
}

#[test]
fn unknown_keys_and_wrong_types() {
    let known = "belongs to `[[group]]`";
    table(&[
        ("[[limt]]", "", &[(1, 3, "unknown key `limt`", "did you mean `limit`?")]),
        ("[limit]", "", &[(1, 1, "an array, not a section", "`[[limit]]`")]),
        ("workers = 2", "", &[(1, 1, "unknown key `workers`", "known here: `group`, `limit`, `rate`, `destination`")]),
        ("[[limit]]", "exchnges = 1\n", &[(2, 1, "unknown key `exchnges` in `[[limit]]`", "`exchanges`?")]),
        ("[[limit]]", "hosts = 1\n", &[(2, 1, "`hosts`", known)]),
        ("[[limit]]", "exchanges = \"1\"\n", &[(2, 13, "a whole number", "`exchanges = 512`")]),
        ("[[limit]]", "streams = 1.5\n", &[(2, 11, "not `1.5`", "`streams = 16`")]),
        ("[[limit]]", "queue = { mx = 1 }\n", &[(2, 11, "unknown key `mx` in `limit.queue`", "`max`?")]),
        (
            "[[limit]]",
            "queue = { wait = 1 }\n",
            &[(2, 18, "`wait` must be a string", "queue = { max = 64, wait = \"1s\" }")],
        ),
        ("[[limit]]", "queue = 5\n", &[(2, 9, "`queue` must be a section", "queue = {")]),
        ("[[rate]]", "requests = -1\n", &[(2, 12, "not `-1`", "`requests = 50`")]),
        ("[[rate]]", "bytes = 2 MiB\n", &[(2, 9, "quotes", "")]),
        ("[[group]]", "hosts = 5\n", &[(2, 9, "an array of strings", "hosts = [")]),
        ("[[destination]]", "reuse = true\n", &[(2, 9, "not `true`", "`reuse = \"shared\"`")]),
        (
            "[[limit]]",
            "name = \"x\"\nname = \"y\"\n",
            &[(3, 1, "set twice", "`[[limit]]`, `[[group]]`, `[[rate]]`, `[[destination]]` may")],
        ),
    ]);
}

#[test]
fn what_is_missing() {
    table(&[
        (
            "[[limit]]",
            "",
            &[
                (1, 1, "limits nothing", "`exchanges = 32` or `streams = 6`"),
                (1, 1, "whose use", "`per = \"source\"`, `per = \"prefix\"`"),
                (1, 1, "this limit has no name", "name = "),
            ],
        ),
        (
            "[[rate]]",
            "",
            &[(1, 1, "limits nothing", "requests = 50"), (1, 1, "whose use", ""), (1, 1, "this rate has no name", "")],
        ),
        ("[[group]]", "", &[(1, 1, "without hosts", "hosts = ["), (1, 1, "this group has no name", "")]),
        ("[[group]]", "name = \"x\"\nhosts = []\n", &[(3, 9, "without hosts", "")]),
        ("[[destination]]", "", &[(1, 1, "whom", "api.example"), (1, 1, "destination has no name", "")]),
        (
            "[[rate]]",
            "name = \"x\"\nper = \"source\"\nbytes = 5\nrequests_burst = 5\n",
            &[(5, 18, "a burst without a rate", "`requests = ...`")],
        ),
        // Where something could not be read, what is missing may have been in it.
        ("[[limit]]", "nmae = \"x\"\n", &[(2, 1, "unknown key", "`name`?")]),
        ("[[group]]", "name = \"g\"\nhosts = [\n", &[(3, 10, "unclosed", "")]),
    ]);
}

#[test]
fn names() {
    let pair = "name = \"x\"\nper = \"pair\"\nstreams = 1\n";
    table(&[
        (
            "[[limit]]",
            &format!("{pair}[[rate]]\nname = \"x\"\nper = \"source\"\nrequests = 1\n"),
            &[(6, 8, "two limits or rates are called `x`", "of its own")],
        ),
        (
            "[[group]]",
            "name = \"g\"\nhosts = \"a.example\"\n[[group]]\nname = \"g\"\nhosts = \"b.example\"\n",
            &[(5, 8, "two groups are called `g`", "")],
        ),
        (
            "[[destination]]",
            "name = \"d\"\ndestination = \"*\"\n[[destination]]\nname = \"d\"\ndestination = \"*\"\n",
            &[(5, 8, "two destination rules are called `d`", "")],
        ),
        ("[[limit]]", &pair.replace('x', "a b"), &[(2, 8, "`a b` cannot be a name", "letters")]),
        (
            "[[limit]]",
            &format!(
                "{pair}destination = \"group:livesprt\"\n[[group]]\nname = \"livesport\"\nhosts = \"a.example\"\n"
            ),
            &[(5, 15, "no group `livesprt`", "did you mean `group:livesport`?")],
        ),
        (
            "[[limit]]",
            &format!("{pair}destination = \"group:x\"\n"),
            &[(5, 15, "no group `x`", "`[[group]]` with `name = \"x\"`")],
        ),
        ("[[limit]]", &format!("{pair}listener = \"ofice\"\n"), &[(5, 12, "no listener `ofice`", "`office`?")]),
        ("[[limit]]", &format!("{pair}listener = \"x\"\n"), &[(5, 12, "no listener `x`", "`office`, `guests`")]),
        ("[[limit]]", &format!("{pair}instead_of = \"x\"\n"), &[(5, 14, "its own place", "another")]),
        (
            "[[limit]]",
            &format!(
                "{pair}instead_of = \"per-surce\"\n[[limit]]\nname = \"per-source\"\nper = \"source\"\nstreams = 1\n"
            ),
            &[(5, 14, "no limit `per-surce`", "did you mean `per-source`?")],
        ),
        (
            "[[limit]]",
            &format!("{pair}instead_of = \"y\"\n[[rate]]\nname = \"y\"\nper = \"source\"\nrequests = 1\n"),
            &[(5, 14, "`y` is not a limit", "place of a limit")],
        ),
    ]);
}

#[test]
fn values_of_limits() {
    let pair = "name = \"x\"\nper = \"pair\"\nstreams = 1\n";
    table(&[
        ("[[limit]]", &pair.replace("pair", "pairs"), &[(3, 7, "`pairs`", "did you mean `pair`?")]),
        (
            "[[limit]]",
            "name = \"x\"\nper = \"pair\"\nexchanges = 0\nstreams = 0\n",
            &[(4, 13, "nobody or everybody", "leave the key out"), (5, 11, "nobody", "")],
        ),
        (
            "[[limit]]",
            "name = \"x\"\nper = \"pair\"\nstreams = \"6\"\n",
            &[(4, 11, "`6` is not a share", "such as `6`")],
        ),
        ("[[limit]]", "name = \"x\"\nper = \"pair\"\nstreams = \"0%\"\n", &[(4, 11, "`0%`", "\"1%\"")]),
        (
            "[[limit]]",
            &format!("{pair}over = \"rejct\"\nmode = \"off\"\nqueue = {{ max = 0, wait = \"0s\" }}\n"),
            &[
                (5, 8, "`rejct`", "`reject`?"),
                (6, 8, "`off`", "`enforce`, `simulate`"),
                (7, 17, "no such queue", "65536"),
                (7, 27, "zero", ""),
            ],
        ),
        (
            "[[limit]]",
            &format!("{pair}source = \"10.0.0.1/8\"\ndestination = \"http://www.example/\"\ncount_by = \"hosts\"\n"),
            &[
                (5, 10, "bits set", "10.0.0.0/8"),
                (6, 15, "more than a host", "`www.example`"),
                (7, 12, "`hosts`", "did you mean `host`?"),
            ],
        ),
        (
            "[[limit]]",
            &format!("{pair}prefix_v4 = 24\n"),
            &[(5, 13, "`prefix_v4` says nothing here", "`per = \"prefix\"`")],
        ),
        (
            "[[limit]]",
            &format!("{}prefix_v4 = 33\nprefix_v6 = 0\n", pair.replace("pair", "prefix")),
            &[(5, 13, "no such range", "1 to 32"), (6, 13, "no such range", "1 to 128")],
        ),
        (
            "[[limit]]",
            &format!("{}count_by = \"host\"\n", pair.replace("pair", "source")),
            &[(5, 12, "`count_by` says nothing here", "`per = \"pair\"`")],
        ),
    ]);
}

#[test]
fn values_of_the_others() {
    let rate = "name = \"x\"\nper = \"source\"\n";
    let destination = "name = \"x\"\ndestination = \"a.example\"\n";
    table(&[
        (
            "[[group]]",
            "name = \"g\"\nhosts = [\"A b\", \"*.example:80\", \"10.0.0.0/8\"]\n",
            &[
                (3, 10, "`A b` is not a host", "letters"),
                (3, 17, "has a port", "`*.example`"),
                (3, 33, "is not a name", "a rule of their own"),
            ],
        ),
        (
            "[[rate]]",
            &format!("{rate}requests = 0\nbytes = \"0\"\n"),
            &[(4, 12, "nobody", "1 to"), (5, 9, "less than 1", "")],
        ),
        (
            "[[rate]]",
            &format!("{rate}bytes = \"2mib\"\nbytes_burst = \"x\"\n"),
            &[(4, 9, "`mib` is not a unit", "`2MiB`"), (5, 15, "`x` is not a size", "512KiB")],
        ),
        (
            "[[destination]]",
            &format!("{destination}reuse = \"stiky\"\nidle = \"30\"\nprofile = \"nat\"\n"),
            &[(4, 9, "`stiky`", "`sticky`?"), (5, 8, "no unit", "`30s`"), (6, 11, "`nat`", "`panos`")],
        ),
        (
            "[[destination]]",
            &format!("{destination}preopen = 2\n"),
            &[(4, 11, "belongs to nobody", "`reuse = \"shared\"`")],
        ),
        (
            "[[destination]]",
            &format!("{destination}reuse = \"shared\"\npreopen = 65\nmax_requests = 0\n"),
            &[(5, 11, "nobody needs", "0 to 64"), (6, 16, "no connection", "1 to")],
        ),
        (
            "[[destination]]",
            &format!("{destination}response_head = \"0s\"\nstream_idle = \"0s\"\nhalf_close = \"0s\"\n"),
            &[(4, 17, "zero", ""), (5, 15, "zero", ""), (6, 14, "zero", "")],
        ),
    ]);
}
