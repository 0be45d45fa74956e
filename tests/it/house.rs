//! The rules of the house (DESIGN.md section 4), held by a test: layers, sizes, names, first lines, purity.

mod paths;
mod rules;
mod text;

use std::path::{Path, PathBuf};

use rules::{Breach, EXCEPTIONS, Used, breaches, module_of};

/// Every Rust file of the repository: its path from the root, and its text.
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = ["src", "tests", "benches"].map(|folder| root.join(folder)).into();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.extension().and_then(|end| end.to_str()) {
                // What a fuzzer or a build leaves behind is not ours.
                _ if path.is_dir() => folders.extend((!path.ends_with("target")).then_some(path)),
                Some("rs") => {
                    let name = path.strip_prefix(root).expect("inside").to_str().expect("UTF-8").to_owned();
                    files.push((name, std::fs::read_to_string(&path).expect("text")));
                }
                _ => {}
            }
        }
    }
    files
}

#[test]
fn every_file_keeps_the_rules_of_the_house() {
    let files = files();
    assert!(files.iter().any(|(file, _)| file == "src/flow/exchange.rs"), "the files were not found");
    let found: Vec<Breach> = files.iter().flat_map(|(file, text)| breaches(file, text)).collect();
    let told: Vec<String> = found.iter().map(|one| format!("{}:{}: {}", one.file, one.line, one.rule)).collect();
    assert!(found.is_empty(), "{} breaches\n{}", found.len(), told.join("\n"));
}

#[test]
fn no_exception_outlives_its_use() {
    let files = files();
    let used: Vec<(&str, String)> = files
        .iter()
        .filter_map(|(file, source)| Some((module_of(file)?, file, text::code(source))))
        .flat_map(|(from, file, code)| paths::references(file, &code).into_iter().map(move |one| (from, one.path)))
        .collect();
    for exception in EXCEPTIONS.iter().filter(|exception| exception.used == Used::Today) {
        let needed = used.iter().any(|(from, path)| exception.allows(from, path));
        assert!(needed, "nothing in {} uses {} any more: strike the exception", exception.from, exception.to);
    }
}

/// A made-up file, and the line and a part of the rule of every breach in it.
type Sample = (&'static str, &'static str, &'static [(usize, &'static str)]);

const SAMPLES: &[Sample] = &[
    ("src/flow/good.rs", "//! Good.\nuse crate::base::reason::Reason;\nuse super::pump::Pump;\n", &[]),
    ("src/flow/bare.rs", "use crate::base::reason::Reason;\n", &[(1, "first line")]),
    ("src/flow/empty.rs", "", &[(1, "first line")]),
    ("src/flow/silent.rs", "//! \nfn a() {}\n", &[(1, "first line")]),
    ("src/net/mod.rs", "//! A module.\n", &[(1, "mod.rs")]),
    ("src/net/util.rs", "//! Things.\n", &[(1, "name util")]),
    ("tests/it/helpers/a.rs", "//! Things.\n", &[(1, "name helpers")]),
    ("src/http/up.rs", "//! Up.\n\nuse crate::flow::pump::Pump;\n", &[(3, "http uses flow::pump::Pump")]),
    ("src/http/side.rs", "//! Side.\nuse crate::policy::destination::PortSet;\n", &[(2, "http uses policy")]),
    ("src/http/same.rs", "//! Same.\nuse crate::http::field::Known;\nuse super::field::list;\n", &[]),
    (
        "src/base/path.rs",
        "//! In the code.\nfn a() {\n    crate::net::socket::listen(b);\n}\n",
        &[(3, "base uses net::socket::listen")],
    ),
    (
        "src/tether/group.rs",
        "//! Groups.\nuse crate::{base::phase::Phase, flow::{self, pump as p}, net::socket};\nuse crate::flow::{ahead, outbox::Outbox};\n",
        &[
            (2, "tether uses flow::self"),
            (2, "tether uses flow::pump"),
            (3, "flow::ahead"),
            (3, "flow::outbox::Outbox"),
        ],
    ),
    (
        "src/net/super.rs",
        "//! By the back door.\nuse super::super::flow::pump::Pump;\n",
        &[(2, "net uses flow::pump::Pump")],
    ),
    ("src/observe.rs", "//! The same from the front.\nuse super::admin::view;\n", &[(2, "observe uses admin::view")]),
    (
        "src/base/inline.rs",
        "//! Tests are held to it too.\n#[cfg(test)]\nmod tests {\n    use super::*;\n    use super::super::super::flow::pump;\n}\n",
        &[(5, "base uses flow::pump")],
    ),
    (
        "src/net/pipe.rs",
        "//! Counted.\nuse crate::observe::counters::Counter;\nuse crate::observe::live::Row;\n",
        &[(3, "net uses observe::live::Row")],
    ),
    (
        "src/flow/session.rs",
        "//! Set.\nuse crate::listen::settings::FinPolicy;\nuse crate::listen::accept::Workers;\n",
        &[(2, "flow uses listen::settings"), (3, "flow uses listen::accept")],
    ),
    (
        "src/config/check.rs",
        "//! Set.\nuse crate::admin::settings::AdminSettings;\nuse crate::admin::server;\n",
        &[(3, "config uses admin::server")],
    ),
    (
        "src/listen/accept.rs",
        "//! Wrong way.\nuse crate::config::settings::Settings;\n",
        &[(2, "listen uses config::settings")],
    ),
    ("src/worker.rs", "//! Wrong way.\nuse crate::app::App;\n", &[(2, "worker uses app::App")]),
    ("src/widgets/a.rs", "//! New.\n", &[(1, "widgets has no layer")]),
    (
        "src/http/clock.rs",
        "//! A clock.\nfn now() {\n    let a = std::time::Instant::now();\n}\n",
        &[(3, "Instant::now in a pure")],
    ),
    (
        "src/policy/io.rs",
        "//! Io.\nuse std::net::{IpAddr, TcpStream};\nuse tokio::net::TcpListener;\n",
        &[(2, "TcpStream"), (3, "tokio::net"), (3, "TcpListener")],
    ),
    (
        "src/flow/floor.rs",
        "//! Pure.\nfn a() { Instant::now() }\n#[cfg(test)]\nmod tests {\n    fn b() { Instant::now() }\n}\n",
        &[(2, "Instant::now")],
    ),
    ("src/http/request/tests.rs", "//! Tests may.\nfn a() { Instant::now() }\n", &[]),
    ("src/net/io.rs", "//! Io is at home here.\nuse tokio::net::TcpStream;\n", &[]),
    (
        "src/cli/rest.rs",
        "//! Later.\nfn a() {\n    todo!()\n}\nfn b() { unimplemented!() }\nfn c() { dbg!(1); }\n",
        &[(3, "todo!"), (5, "unimplemented!"), (6, "dbg!")],
    ),
    (
        "src/base/words.rs",
        "//! Words: crate::flow::x, todo!().\n// crate::flow::y dbg!()\n/* crate::flow::z */\nconst A: &str = \"crate::flow::a // todo!()\";\n\
         const B: &str = r#\"\"crate::flow::b\"#;\nconst C: char = '\"';\nfn d<'a>(e: &'a str) {}\nconst F: &[u8] = b\"todo!\\\"()\";\nuse crate::flow::g;\n",
        &[(9, "base uses flow::g")],
    ),
];

#[test]
fn every_rule_can_be_broken() {
    for (file, source, expected) in SAMPLES {
        let found = breaches(file, source);
        let lines: Vec<(usize, &str)> = found.iter().map(|one| (one.line, one.rule.as_str())).collect();
        assert_eq!(lines.len(), expected.len(), "{file}: {lines:?}");
        for ((line, part), one) in expected.iter().zip(&found) {
            assert!(one.line == *line && one.rule.contains(part) && one.file == *file, "{file}: {part} is not {one:?}");
        }
    }
    let long = format!("//! Long.\n{}", "//\n".repeat(400));
    assert_eq!(breaches("tests/it/long.rs", &long).len(), 1);
    assert!(breaches("tests/it/long.rs", long.trim_end_matches("//\n")).is_empty());
}
