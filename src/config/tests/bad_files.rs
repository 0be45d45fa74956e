//! A table of bad files: every problem at its line and column, all at once, in the order of the file.

use super::{Expected, assert_found, read};

#[track_caller]
fn table(rows: &[(&str, &[Expected])]) {
    for (text, expected) in rows {
        assert_found("t.toml", text, &read(text).expect_err(text), expected);
    }
}

#[test]
fn unknown_keys_and_sections() {
    table(&[
        ("wrkers = 2\n", &[(1, 1, "unknown key `wrkers`", "did you mean `workers`?")]),
        ("[admn]\nbind = \"127.0.0.1:1\"\n", &[(1, 2, "unknown section `admn`", "did you mean `admin`?")]),
        ("[admin]\nbnid = \"127.0.0.1:1\"\n", &[(2, 1, "unknown key `bnid` in `[admin]`", "`bind`?")]),
        ("[timeouts]\nclient-idle = \"1s\"\n", &[(2, 1, "in `[timeouts]`", "`client_idle`?")]),
        ("[log]\nworkers = 2\n", &[(2, 1, "`workers`", "belongs to the top of the file")]),
        ("[log]\nconnect = \"5s\"\n", &[(2, 1, "`connect`", "belongs to `[icap.av]` or `[timeouts]`")]),
        ("name = \"office\"\n", &[(1, 1, "`name`", "belongs to `[[forward]]`")]),
        ("[resolver]\nttl = \"5s\"\n", &[(2, 1, "`ttl`", "known here: `kind`, `hosts`")]),
        ("\"a`b\" = 1\n", &[(1, 1, "unknown key `a`b`", "known here")]),
        (
            "[[forward]]\nnmae = \"x\"\nbid = \"127.0.0.1:1\"\n[[forward]]\nname = \"y\"\n",
            &[(2, 1, "`nmae` in `[[forward]]`", "`name`?"), (3, 1, "`bid`", "`bind`?")],
        ),
    ]);
}

#[test]
fn wrong_types() {
    table(&[
        ("workers = \"two\"\n", &[(1, 11, "a whole number, 0 or more, not `\"two\"`", "`workers = 2`")]),
        ("workers = -1\n", &[(1, 11, "not `-1`", "`workers = 2`")]),
        ("workers = 2.5\n", &[(1, 11, "not `2.5`", "")]),
        ("workers = 99999999999999999999999999999999999999999\n", &[(1, 11, "`workers`", "")]),
        ("admin = 5\n", &[(1, 9, "`admin` must be a section, not `5`", "`[admin]`")]),
        ("[[admin]]\nbind = \"127.0.0.1:1\"\n", &[(1, 1, "a section, not an array", "`[admin]`")]),
        ("admin = [\"127.0.0.1:1\"]\n", &[(1, 9, "a section, not an array", "`[admin]`")]),
        ("[forward]\nname = \"x\"\n", &[(1, 1, "an array, not a section", "`[[forward]]`")]),
        ("[[forward]]\nname = 5\n[[forward]]\nname = 6\n", &[(2, 8, "`name`", ""), (4, 8, "`name`", "")]),
        ("forward = [1, 2]\n", &[(1, 12, "an element of `forward`", ""), (1, 15, "an element", "")]),
        ("[timeouts]\nconnect = 5\n", &[(2, 11, "`connect` must be a string, not `5`", "connect = \"5s\"")]),
        ("[timeouts]\nbody_floor = \"500\"\n", &[(2, 14, "a whole number", "body_floor = 500")]),
        ("[resolver.hosts]\na.example = \"::1\"\n", &[(2, 1, "not a section", "in quotes")]),
        (
            "[destinations]\nallow = [\"10.0.0.0/8\", 5, true]\nconnect_ports = 443\n",
            &[(2, 24, "`5`", "allow = "), (2, 27, "`true`", ""), (3, 17, "a string or an array of strings", "")],
        ),
        (
            "[log]\naccess = 1\nformat = [\"json\"]\n[resolver]\nkind = { a = 1 }\nhosts = \"::1\"\n",
            &[(2, 10, "`access`", ""), (3, 10, "not an array", ""), (5, 8, "`kind`", ""), (6, 9, "`hosts`", "")],
        ),
    ]);
}

#[test]
fn services_and_scanners() {
    let av = "[icap.av]\nurls = \"icap://a.example/\"\n";
    let with = |lines: &str| format!("{av}{lines}");
    table(&[
        ("icap = 5\n", &[(1, 8, "`icap` must be a section", "default")]),
        ("[icap.av]\n", &[(1, 1, "this ICAP service has no address", "urls = [")]),
        ("[icap.av]\nurls = []\n", &[(2, 8, "has no address", "icap://127.0.0.1:1344/respmod")]),
        ("[icap.x]\nurl = \"icap://a.example/\"\n", &[(2, 1, "unknown key `url` in `icap.x`", "`urls`?")]),
        (
            "[icap.x]\nurls = 5\n",
            &[(2, 8, "a string or an array of strings", "urls = [\"icap://127.0.0.1:1344/respmod\"]")],
        ),
        ("[icap.builtin]\nurls = \"icap://a.example/\"\n", &[(1, 7, "`builtin` is the scanner", "another name")]),
        ("[icap.\"a b\"]\nurls = \"icap://a.example/\"\n", &[(1, 7, "`a b` cannot be a name", "letters")]),
        (
            "[icap.av]\nurls = [\"http://a.example/\", \"icap://a.example/\", \"unix:av.sock:/x\"]\n",
            &[
                (2, 9, "`http://a.example/` is not the address", "icap://host:port/path"),
                (2, 51, "unix:av.sock", "unix:/path/of/the/socket"),
            ],
        ),
        (&with("standby_urls = [\"icap:b\"]\n"), &[(3, 17, "`icap:b` is not the address", "icap://host:port/path")]),
        (&with("ca_file = \"/no/such.pem\"\n"), &[(3, 11, "`/no/such.pem` cannot be used: No such file", "PEM file")]),
        (&with("ca_file = \"/dev/null\"\n"), &[(3, 11, "there is no certificate in it", "authorities that vouch")]),
        (&with("methods = [\"RESPMD\", \"x\"]\n"), &[(3, 12, "`RESPMD`", "`RESPMOD`?"), (3, 22, "`x`", "one of")]),
        (&with("methods = []\n"), &[(3, 11, "asked nothing", "`RESPMOD`")]),
        (&with("on_failure = \"pas\"\n"), &[(3, 14, "`pas`", "did you mean `pass`?")]),
        (&with("partial = \"yes\"\n"), &[(3, 11, "`partial` must be `true` or `false`, not `\"yes\"`", "")]),
        (&with("on_overload = \"blok\"\n"), &[(3, 15, "`blok`", "did you mean `block`?")]),
        (&with("max_connections = 0\n"), &[(3, 19, "so few or so many", "1 to 65536")]),
        (&with("preview = \"2MiB\"\n"), &[(3, 11, "a preview is a beginning", "1MiB")]),
        (&with("whole = \"0s\"\nconnect = \"5\"\n"), &[(3, 9, "a wait of zero", ""), (4, 11, "has no unit", "`5s`")]),
        (
            &with("[inspect]\ndefault = [\"av\", \"other\"]\n"),
            &[(4, 18, "there is no scanner `other`", "write `builtin`, or a section `[icap.other]`")],
        ),
        (&with("[inspect]\ndefault = \"bultin\"\n"), &[(4, 11, "there is no scanner", "did you mean `builtin`?")]),
        (&with("[inspect]\ndefault = [\"av\", \"av\"]\n"), &[(4, 18, "`av` is listed twice", "once")]),
        // What could not be read may have been the service.
        ("icap = 5\n[inspect]\ndefault = [\"av\"]\n", &[(1, 8, "`icap` must be a section", "")]),
    ]);
}

#[test]
fn what_is_held_and_where() {
    table(&[
        (
            "[inspect]\nhold = \"0s\"\nidle_gap = \"1\"\nfirst_byte_gap = 2\n",
            &[(2, 8, "zero", ""), (3, 12, "`1` has no unit", "`1s`"), (4, 18, "a string, not `2`", "\"2s\"")],
        ),
        (
            "[inspect]\ntrickle_aft = \"5s\"\n",
            &[(2, 1, "unknown key `trickle_aft` in `[inspect]`", "`trickle_after`?")],
        ),
        ("[inspect]\nmemory = 1\ntotal = \"x\"\n", &[(2, 10, "less than 4KiB", "4KiB"), (3, 9, "`x`", "2MiB")]),
        (
            "[inspect]\nmemory = \"1GiB\"\n",
            &[(2, 10, "`memory` (1GiB) is more than `per_client` (256MiB)", "raise `per_client`")],
        ),
        (
            "[inspect]\nper_client = \"1GiB\"\ntotal = \"1MiB\"\n",
            &[(3, 9, "`per_client` (1GiB) is more than `total` (1MiB)", "lower `per_client`")],
        ),
        (
            "[inspect]\nspool_dir = \"held\"\n",
            &[(2, 13, "there is no directory `/nonexistent/held`", "beside this file")],
        ),
        ("[inspect]\nspool_dir = \"/proc/self/stat\"\n", &[(2, 13, "`/proc/self/stat` is not a directory", "")]),
        ("[inspect]\nspool_dir = \"\"\n", &[(2, 13, "there is no directory", "leave the key out")]),
    ]);
}

#[test]
fn icap_servers() {
    let one = "[[icap_server]]\nbind = \"127.0.0.1:1345\"\n";
    table(&[
        ("[[icap_server]]\n", &[(1, 1, "this ICAP server has no address", "bind = \"127.0.0.1:1345\"")]),
        ("[icap_server]\nbind = \"127.0.0.1:1345\"\n", &[(1, 1, "`icap_server`", "[[icap_server]]")]),
        (&format!("{one}alow = []\n"), &[(3, 1, "unknown key `alow`", "`allow`?")]),
        (&format!("{one}allow = [\"10.0.0.1\"]\n"), &[(3, 10, "an address, not a range", "10.0.0.1/32")]),
        (
            &format!("{one}[[icap_server]]\nbind = \"127.0.0.1:1346\"\n"),
            &[(3, 1, "two ICAP servers are called `icap`", "")],
        ),
        (
            &format!("{one}[[forward]]\nname = \"a\"\nbind = \"0.0.0.0:1345\"\n"),
            &[(5, 8, "in each other's way", "an address or a port of its own")],
        ),
    ]);
}

#[test]
fn bad_addresses_and_clashes() {
    table(&[
        ("[admin]\nbind = \"127.0.0.1\"\n", &[(2, 8, "`127.0.0.1` is not an address and a port", "add a port")]),
        ("[admin]\nbind = \":9128\"\n", &[(2, 8, "`:9128`", "write `127.0.0.1:9128`")]),
        ("[admin]\nbind = \"localhost:9128\"\n", &[(2, 8, "`localhost:9128`", "write `127.0.0.1:9128`")]),
        ("[admin]\nbind = \"127.0.0.1:99999\"\n", &[(2, 8, "not an address", "such as `127.0.0.1:3128`")]),
        ("[admin]\nbind = \"127.0.0.1:3128\"\n", &[(2, 8, "port `default` and the admin port both listen on", "")]),
        ("forward = []\n", &[(1, 11, "there is no port to serve", "[[forward]]")]),
        ("[[forward]]\nname = \"x\"\n", &[(1, 1, "this port has no address", "bind = ")]),
        (
            "[[forward]]\nname = \"a b\"\nbind = \"127.0.0.1:1\"\non_client_fin = \"cancle\"\n",
            &[(2, 8, "`a b` cannot be a name", "letters"), (4, 17, "`cancle`", "did you mean `cancel`?")],
        ),
        (
            "[[forward]]\nname = \"x\"\nbind = \"127.0.0.1:1\"\n[[forward]]\nname = \"x\"\nbind = \"127.0.0.1:1\"\n",
            &[(5, 8, "two ports are called `x`", ""), (6, 8, "both listen on 127.0.0.1:1", "")],
        ),
        (
            "[[forward]]\nname = \"x\"\nbind = \"127.0.0.1:1\"\n[[forward]]\nname = \"y\"\nbind = \"[::]:1\"\n",
            &[(6, 8, "port `x` on 127.0.0.1:1 and port `y` on [::]:1", "of its own")],
        ),
        (
            "[[forward]]\nbind = \"127.0.0.1:1\"\n[[forward]]\nbind = \"127.0.0.1:2\"\n",
            &[(3, 1, "two ports are called `default`", "give each a `name`")],
        ),
    ]);
}

#[test]
fn bad_values() {
    table(&[
        ("workers = 0\n", &[(1, 11, "1 to 1024", "leave the key out")]),
        ("workers = 1025\n", &[(1, 11, "1 to 1024", "")]),
        ("[resolver]\nkind = \"hickroy\"\n", &[(2, 8, "`hickroy`", "did you mean `hickory`?")]),
        ("[log]\nformat = \"csv\"\n", &[(2, 10, "`csv`", "`json`, `squid`, `combined`")]),
        ("[log]\naccess = \"stdot\"\n", &[(2, 10, "`stdot`", "did you mean `stdout`?")]),
        ("[log]\naccess = \"access.log\"\n", &[(2, 10, "neither a path", "with a `/` in it")]),
        (
            "[log]\naccess = \"/no/such/dir/a.log\"\n",
            &[(2, 10, "no directory `/no/such/dir`", "mkdir -p /no/such/dir")],
        ),
        ("[log]\naccess = \"/proc\"\n", &[(2, 10, "`/proc` is a directory", "name a file in it")]),
        ("[timeouts]\nbody_floor = 2000000000\n", &[(2, 14, "no client", "bytes per second")]),
        (
            "[destinations]\nallow = [\"10.0.0.1\", \"10.0.0.1/8\", \"10.0.0.0/33\", \"x\"]\n",
            &[
                (2, 10, "not a range", "write `10.0.0.1/32`"),
                (2, 22, "bits set behind its prefix", "write `10.0.0.0/8` for the whole range, or `10.0.0.1/32`"),
                (2, 36, "`10.0.0.0/33` is not a range", ""),
                (2, 51, "`x` is not a range", ""),
            ],
        ),
        (
            "[destinations]\nconnect_ports = [\"0\", \"65536\", \"9-8\", \"a\", \"1-\", \"+1\", \"any\"]\n",
            &[
                (2, 18, "no port 0", "begin at 1"),
                (2, 23, "`65536` is not a port", "65535"),
                (2, 32, "`9-8` is reversed", "write `8-9`"),
                (2, 39, "`a` is not a port", "such as `443`"),
                (2, 44, "`1-` is not a port", ""),
                (2, 50, "`+1` is not a port", ""),
            ],
        ),
        ("[destinations]\nconnect_ports = \"none\"\n", &[(2, 17, "`none` is not a port", "`any`")]),
    ]);
}

#[test]
fn bad_limits_and_policies() {
    table(&[
        ("[limits]\nmode = \"of\"\n", &[(2, 8, "`of`", "did you mean `off`?")]),
        ("[limits]\nstream_after = \"0s\"\n", &[(2, 16, "zero", "")]),
        ("[limits]\nstream_rate = 0\nstream_lane = 0\n", &[(2, 15, "slow", "1 to"), (3, 15, "percent", "1 to 100")]),
        ("[limits]\nstream_lane = 101\nmemory = \"2TiB\"\n", &[(2, 15, "percent", ""), (3, 10, "`2TiB`", "2MiB")]),
        ("[limits]\nmemory = 2048\n", &[(2, 10, "less than 16MiB", "write `\"16MiB\"`")]),
        ("[limits]\nmemory = true\n", &[(2, 10, "a whole number, 0 or more, or a string, not `true`", "2GiB")]),
        ("[limits]\nexchanges = 5\n", &[(2, 1, "unknown key `exchanges` in `[limits]`", "known here")]),
        ("[policies]\ndir = \"rules\"\n", &[(2, 7, "no directory `/nonexistent/rules`", "built-in")]),
        ("[policies]\ndir = \"/proc/self/stat\"\n", &[(2, 7, "no directory `/proc/self/stat`", "create it")]),
        ("[policies]\ndir = \"\"\n", &[(2, 7, "no directory", "")]),
        (
            "[[forward]]\nbind = \"127.0.0.1:1\"\non_server_fin = \"cancel\"\nhalf_close = \"0s\"\nprofile = \"pano\"\n",
            &[(3, 17, "`cancel`", "`pass`"), (4, 14, "zero", ""), (5, 11, "`pano`", "did you mean `panos`?")],
        ),
    ]);
}

#[test]
fn bad_durations() {
    table(&[
        (
            "[timeouts]\nconnect = \"5\"\nresolve = \"5 s\"\nclient_idle = \"0s\"\nrequest_head = \"\"\n",
            &[
                (2, 11, "`5` has no unit", "write `5s`"),
                (3, 11, "`5 s` is not a duration", "`10s`"),
                (4, 15, "zero", ""),
                (5, 16, "`` is not a duration", ""),
            ],
        ),
        (
            "[timeouts]\nconnect = \"1.5s\"\nresolve = \"s\"\nbody_window = \"366d\"\nstream_idle = \"99999999999999999999h\"\n",
            &[
                (2, 11, "`1.5s`", ""),
                (3, 11, "`s`", ""),
                (4, 15, "longer than a year", "365d"),
                (5, 15, "longer than a year", ""),
            ],
        ),
    ]);
}

#[test]
fn bad_hosts() {
    table(&[(
        "[resolver.hosts]\n\"A.example\" = \"::1\"\n\"a.EXAMPLE.\" = \"::1\"\n\"*.x\" = []\n\"m\u{fc}nchen.de\" = [\"::1\", \"x\"]\n\
         \"1.2.3.4\" = \"::1\"\n\"::1\" = \"::1\"\n\"h:80\" = \"::1\"\n\"a..b\" = \"::1\"\n\"\" = \"::1\"\n",
        &[
            (3, 1, "`a.example` is listed twice", "one array"),
            (4, 1, "a pattern", "in full"),
            (4, 9, "without an address", ""),
            (5, 1, "`m\u{fc}nchen.de` is not a host name", "xn--mnchen-3ya.de"),
            // Columns count characters, not bytes.
            (5, 24, "`x` is not an IP address", ""),
            (6, 1, "an address, not a host name", ""),
            (7, 1, "an address, not a host name", ""),
            (8, 1, "`h:80`", "leave the port out"),
            (9, 1, "`a..b` is not a host name", ""),
            (10, 1, "`` is not a host name", ""),
        ],
    )]);
}

#[test]
fn syntax_errors() {
    table(&[
        ("workers = \n", &[(1, 11, "a value is missing", "`workers = 2`")]),
        ("workers = two\n", &[(1, 11, "invalid boolean", "`workers = 2`")]),
        ("[admin\nbind = \"127.0.0.1:1\"\n", &[(1, 7, "unclosed table", "`[admin]`")]),
        ("workers : 2\n", &[(1, 9, "expected `=`", "`workers = 2`")]),
        ("[log]\n[log]\n", &[(2, 2, "set twice", "[[forward]]")]),
        ("workers = 1\r\nworkers = 1\r\n", &[(2, 1, "set twice", "")]),
        ("workers = \"", &[(1, 12, "invalid basic string", "")]),
        ("[admin]\nbind = '127.0.0.1:1\n", &[(2, 20, "invalid literal string", "")]),
        ("[timeouts]\nconnect = 10s\n", &[(2, 11, "a string needs quotes", "write `\"10s\"`")]),
    ]);
}

#[test]
fn syntax_errors_do_not_hide_the_rest() {
    table(&[
        (
            "wrkers = 2\n[timeouts]\nconnect = 10s\ndrain = \"10\"\n[log]\n[log]\nformat = \"csv\"\n",
            &[
                (1, 1, "unknown key", "`workers`?"),
                (3, 11, "a string needs quotes", ""),
                (4, 9, "`10` has no unit", ""),
                (6, 2, "set twice", ""),
                (7, 10, "`csv`", ""),
            ],
        ),
        // One mistake, not one for each line that the open array swallows.
        (
            "[destinations]\nallow = [\"x\",\n  \"10.0.0.0/8\"\n[resolver]\nkind = \"y\"\n[log]\nformat = \"z\"\n",
            &[(2, 10, "`x` is not a range", ""), (4, 1, "missing comma", "close the array with `]`")],
        ),
        // The lines after a broken header belong to nobody knows what.
        ("workers = 0\n[admin\nbind = \"x\"\n", &[(1, 11, "1 to 1024", ""), (2, 7, "unclosed table", "")]),
        // What a broken line may have said is not missing.
        ("[[forward]]\nname = \"x\"\nbind = 127.0.0.1:1\n", &[(3, 13, "invalid float", "`bind = \"127.0.0.1:1\"`")]),
    ]);
}

#[test]
fn everything_at_once() {
    let text = "workers = 0\nadmin = 1\n[[forward]]\nname = \"x\"\nbind = \"x\"\nbinds = 1\n[destinations]\nallow = [1, \"x\"]\n\
                [resolver]\nkind = \"x\"\n[log]\nformat = 1\n[timeouts]\nconnect = \"x\"\nx = 1\n";
    let places: Vec<_> = read(text).expect_err("bad").diagnostics().iter().map(|one| one.line).collect();
    assert_eq!(places, [1, 2, 5, 6, 8, 8, 10, 12, 14, 15].map(Some));
}
