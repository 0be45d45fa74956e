//! Flag over environment over file over default; and what can go wrong outside the file.

use std::path::Path;

use super::good;
use crate::config::settings::Settings;
use crate::config::{Given, Overrides, Source, load, load_or};

const FILE: &str = "[admin]\nbind = \"127.0.0.1:1001\"\n[[forward]]\nname = \"a\"\nbind = \"127.0.0.1:1002\"\n\
                    [[forward]]\nname = \"b\"\nbind = \"127.0.0.1:1003\"\n";

fn flag(name: &'static str, value: &str) -> Option<Given> {
    Some(Given::Flag { name, value: value.parse().expect("address") })
}

fn variable(name: &'static str, value: &str) -> Option<Given> {
    Some(Given::Variable { name, value: value.to_owned() })
}

fn written(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(file.path(), text).expect("write");
    file
}

fn nowhere() -> &'static Path {
    Path::new("/nonexistent/tether.toml")
}

#[test]
fn the_file_wins_over_defaults_and_overrides_over_the_file() {
    let file = written(FILE);
    let plain = load(Some(file.path()), &Overrides::default()).expect("good");
    assert_eq!(plain.source, Source::File(file.path().to_owned()));
    assert_eq!(plain.settings, good(FILE));

    let overrides =
        Overrides { listen: variable("TETHER_LISTEN", "127.0.0.1:2"), admin: flag("--admin", "127.0.0.1:1") };
    let settings = load(Some(file.path()), &overrides).expect("good").settings;
    let binds: Vec<_> = settings.forward.iter().map(|port| port.bind.port()).collect();
    assert_eq!((settings.admin.bind.port(), binds), (1, vec![2, 1003]));
}

#[test]
fn a_named_file_wins_over_the_system_file_which_wins_over_defaults() {
    let (named, system) = (written("workers = 7\n"), written("workers = 8\n"));
    let none = Overrides::default();
    let both = load_or(Some(named.path()), system.path(), &none).expect("good");
    assert_eq!((both.settings.workers, both.source), (7, Source::File(named.path().to_owned())));
    let one = load_or(None, system.path(), &none).expect("good");
    assert_eq!((one.settings.workers, one.source), (8, Source::File(system.path().to_owned())));
    let no = load_or(None, nowhere(), &none).expect("good");
    // Rule files are looked for in the working directory then; what is in that of the tests is the built-in file.
    let expected = Settings { policies: no.settings.policies.clone(), ..Settings::default() };
    assert_eq!((no.settings, no.source), (expected, Source::BuiltIn));
}

#[test]
fn a_named_file_must_be_there() {
    let error = load_or(Some(nowhere()), nowhere(), &Overrides::default()).expect_err("missing");
    let [one] = &error.diagnostics()[..] else { panic!("{error}") };
    assert_eq!((one.file.as_str(), one.line), ("/nonexistent/tether.toml", None));
    assert!(one.message.contains("No such file"), "{}", one.message);
    assert!(one.help.contains("tether config default"), "{}", one.help);
}

#[test]
fn a_system_file_that_cannot_be_read_is_an_error() {
    let directory = tempfile::tempdir().expect("directory");
    let error = load_or(None, directory.path(), &Overrides::default()).expect_err("a directory");
    assert!(error.to_string().contains("cannot read the configuration"), "{error}");
}

#[test]
fn a_file_that_is_no_configuration_is_not_read_into_memory() {
    let error = load(Some(Path::new("/dev/zero")), &Overrides::default()).expect_err("endless");
    assert!(error.to_string().contains("larger than 1 MiB"), "{error}");
}

#[test]
fn bytes_that_are_not_text_are_pointed_at() {
    let file = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(file.path(), b"workers = 2\n# \xff\n[log]\nformat = \"x\"\n").expect("write");
    let error = load(Some(file.path()), &Overrides::default()).expect_err("not UTF-8");
    let places: Vec<_> = error.diagnostics().iter().map(|one| (one.line, one.column)).collect();
    assert_eq!(places, [(Some(2), Some(3)), (Some(4), Some(10))], "{error}");
}

#[test]
fn a_bad_variable_is_told_with_what_is_wrong_in_the_file() {
    let file = written("workers = 0\n");
    let overrides = Overrides { listen: variable("TETHER_LISTEN", "3128"), admin: None };
    let error = load(Some(file.path()), &overrides).expect_err("bad");
    let found: Vec<_> = error.diagnostics().into_iter().map(|one| (one.file, one.line)).collect();
    assert_eq!(found, [(file.path().display().to_string(), Some(1)), ("TETHER_LISTEN".to_owned(), None)]);
    assert!(error.to_string().contains("error: TETHER_LISTEN: `3128` is not an address and a port"), "{error}");
}

#[test]
fn clashes_are_found_after_overrides() {
    let file = written(FILE);
    let overrides = Overrides { listen: flag("--listen", "127.0.0.1:1003"), admin: None };
    let error = load(Some(file.path()), &overrides).expect_err("clash");
    let [one] = &error.diagnostics()[..] else { panic!("{error}") };
    assert_eq!((one.line, one.column), (Some(8), Some(8)));
    assert!(one.message.contains("both listen on 127.0.0.1:1003"), "{}", one.message);

    let overrides = Overrides { listen: flag("--listen", "127.0.0.1:9128"), admin: None };
    let error = load_or(None, nowhere(), &overrides).expect_err("clash with a default");
    assert_eq!(error.diagnostics()[0].file, "--listen");
}

#[test]
fn a_flag_gives_the_first_port_its_address() {
    let file = written("[[forward]]\nname = \"x\"\n");
    let overrides = Overrides { listen: flag("--listen", "127.0.0.1:7"), admin: None };
    let settings = load(Some(file.path()), &overrides).expect("good").settings;
    assert_eq!((&*settings.forward[0].name, settings.forward[0].bind.port()), ("x", 7));
}
