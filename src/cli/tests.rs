//! Whole commands: arguments in, text and exit status out.

mod bypass;
mod operations;
mod scanning;

use std::collections::HashMap;
use std::io::Read;
use std::net::TcpListener;

use clap::CommandFactory;

use super::*;

/// How a command ended and what it wrote.
struct Ended {
    exit: Exit,
    out: String,
    err: String,
}

/// Runs `tether` with these words and these variables.
fn tether(words: &[&str], variables: &[(&str, &str)]) -> Ended {
    let arguments = Arguments::try_parse_from(std::iter::once(&"tether").chain(words)).expect("usage");
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    let environment = Environment::read(|name| variables.get(name).map(|value| value.into()));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console = Console { out: &mut out, err: &mut err, colour: Colour::Plain };
    let exit = dispatch(arguments, &environment, &mut console);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { exit, out: text(out), err: text(err) }
}

fn usage(words: &[&str]) -> i32 {
    match Arguments::try_parse_from(std::iter::once(&"tether").chain(words)) {
        Ok(_) => panic!("{words:?} is understood"),
        Err(error) => error.exit_code(),
    }
}

fn file(text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("t.toml");
    std::fs::write(&path, text).expect("write");
    let path = path.to_str().expect("text").to_owned();
    (directory, path)
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn usage_errors_have_status_2_and_help_has_0() {
    for words in [
        &["serve"][..],
        &["--listen", "3128"],
        &["run", "--admin", "localhost"],
        &["check", "--listen", "127.0.0.1:1"],
        &["-c", "x", "check"],
        &["config"],
        &["version", "--yaml"],
        &["explain-close"],
        &["explain-close", "17-x"],
        &["explain-close", "17-1&limit=0"],
        &["streams", "why", "+17"],
        &["limits"],
        &["limits", "set", "a"],
        &["limits", "set", "a", "--streams", "-1"],
        &["limits", "set", "a", "--mode", "off"],
        &["limits", "mode", "on"],
        &["bypass"],
        &["bypass", "add"],
        &["bypass", "remove"],
        &["bypass", "test", "http://a.example/", "--source", "office"],
        &["scan"],
        &["scan", "--content-type", "a\nb", "f"],
        &["scan", "--content-encoding", "rar", "f"],
        &["scan", "--url", "ftp://a.example/", "f"],
        &["scan", "--url", "http://u:p@a.example/", "f"],
    ] {
        assert_eq!(usage(words), Exit::Usage as i32, "{words:?}");
    }
    assert_eq!(usage(&["--help"]), 0);
    assert_eq!(usage(&["--version"]), 0);
}

#[test]
fn run_is_the_default_command() {
    let alone = Arguments::try_parse_from(["tether", "-c", "f", "--listen", "127.0.0.1:1"]).expect("alone");
    assert!(alone.command.is_none());
    let named = Arguments::try_parse_from(["tether", "run", "-c", "f", "--listen", "127.0.0.1:1"]).expect("named");
    let Some(Command::Run(options)) = named.command else { panic!("not run") };
    assert_eq!((&alone.run.file.config, alone.run.listen), (&options.file.config, options.listen));
    assert_eq!(options.overrides(), alone.run.overrides());
}

#[test]
fn run_and_check_refuse_the_same_file_with_status_78() {
    let (_directory, path) = file("workers = 0\n[log]\nformat = \"x\"\n");
    let (run, check) = (tether(&["-c", &path], &[]), tether(&["check"], &[("TETHER_CONFIG", &path)]));
    assert_eq!((run.exit, check.exit), (Exit::BadConfig, Exit::BadConfig));
    assert_eq!(run.err, check.err);
    for place in ["t.toml:1:11\n", "t.toml:3:10\n"] {
        assert!(check.err.contains(place), "{}", check.err);
    }
    assert_eq!(check.out, "");
}

#[test]
fn check_says_what_would_be_served() {
    let (_directory, path) = file("workers = 1\n[[forward]]\nname = \"office\"\nbind = \"127.0.0.1:3\"\n");
    let ended = tether(&["check", "-c", &path], &[("TETHER_ADMIN", "127.0.0.1:4")]);
    let expected = format!(
        "{path}: ok\n1 worker; office on 127.0.0.1:3; admin on 127.0.0.1:4\n\
         built-in rules: ok\n4 limits, 0 rates, 0 destination rules\n\
         built-in rules: ok\n0 bypass entries, 0 patterns never bypassed; edits end with the process\n\
         built-in rules: ok\n1 scan rule\n\
         built-in rules: ok\n0 inspection rules; what none speaks of is scanned by builtin\n"
    );
    assert_eq!((ended.exit, ended.out), (Exit::Done, expected));
}

#[test]
fn check_reads_the_rule_files_too() {
    let (directory, path) = file("workers = 1\n[limits]\nmode = \"off\"\n");
    let rules = directory.path().join("policies/limits.toml");
    std::fs::create_dir(directory.path().join("policies")).expect("directory");
    std::fs::write(&rules, "[[rate]]\nname = \"x\"\nper = \"source\"\nrequests = 5\n").expect("write");
    let ended = tether(&["check", "-c", &path], &[]);
    let said = format!("{}: ok\n0 limits, 1 rate, 0 destination rules; nothing is counted", rules.display());
    assert!(ended.exit == Exit::Done && ended.out.contains(&said), "{}", ended.out);

    std::fs::write(&rules, "[[rate]]\nname = \"x\"\nper = \"sorce\"\nrequests = 5\n").expect("write");
    let ended = tether(&["check", "-c", &path], &[]);
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::BadConfig, ""));
    assert!(ended.err.contains("policies/limits.toml:3:7\n") && ended.err.contains("`source`?"), "{}", ended.err);
}

#[test]
fn check_in_json() {
    let (_directory, path) = file("wrkers = 2\n");
    let ended = tether(&["check", "-c", &path, "--json"], &[("TETHER_LISTEN", "x")]);
    let found: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    let expected = serde_json::json!({ "ok": false, "errors": [
        { "file": path, "line": 1, "column": 1, "message": "unknown key `wrkers`", "help": "did you mean `workers`?" },
        { "file": "TETHER_LISTEN", "line": null, "column": null, "message": "`x` is not an address and a port",
          "help": "write an IP address and a port, such as `127.0.0.1:3128` or `[::1]:3128`" },
    ], "notices": [] });
    assert_eq!((ended.exit, found), (Exit::BadConfig, expected));

    let (_directory, path) = file("");
    let ended = tether(&["check", "-c", &path, "--json"], &[]);
    let found: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!((ended.exit, found), (Exit::Done, serde_json::json!({ "ok": true, "errors": [], "notices": [] })));
}

#[test]
fn what_config_prints_is_a_configuration() {
    let default = tether(&["config", "default"], &[]);
    assert_eq!((default.exit, default.out.as_str()), (Exit::Done, config::DEFAULT_TOML));

    let (_directory, path) = file("workers = 3\n");
    let shown = tether(&["config", "show", "-c", &path], &[("TETHER_LISTEN", "127.0.0.1:7")]);
    assert_eq!(shown.exit, Exit::Done);
    let (_again, shown_path) = file(&shown.out);
    let loaded = config::load(Some(shown_path.as_ref()), &Overrides::default()).expect("good").settings;
    assert_eq!((loaded.workers, loaded.forward[0].bind.port()), (3, 7));
    assert!(shown.out.starts_with(&format!("# From {path}, and")), "{}", shown.out);
    assert!(
        shown.out.contains(
            "\n# Limits from built-in rules.\n# What is scanned for from built-in rules.\n\
             # Who scans what from built-in rules.\n# What is bypassed from built-in rules.\n"
        ),
        "{}",
        shown.out
    );
}

#[test]
fn version_in_text_and_json() {
    assert_eq!(tether(&["version"], &[]).out, concat!("tether ", env!("CARGO_PKG_VERSION"), "\n"));
    let found: serde_json::Value = serde_json::from_str(&tether(&["version", "--json"], &[]).out).expect("JSON");
    assert_eq!(found["version"], env!("CARGO_PKG_VERSION"));
}

/// An admin port for one request.
fn admin_port(status: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address").to_string();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accept");
        let read = stream.read(&mut [0; 1024]).expect("request");
        assert!(read > 0);
        stream.write_all(answer.as_bytes()).expect("answer");
    });
    address
}

#[test]
fn health_and_streams_ask_the_admin_port() {
    let ended = tether(&["health", "--admin", &admin_port("200 OK", "ok\n")], &[]);
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Done, "ok\n"));

    let empty = r#"{"streams":[],"total":0}"#;
    let ended = tether(&["streams"], &[("TETHER_ADMIN", &admin_port("200 OK", empty))]);
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Done, "no open connections\n"));

    let (_directory, path) = file(&format!("[admin]\nbind = \"{}\"\n", admin_port("200 OK", empty)));
    let ended = tether(&["streams", "--json", "-c", &path], &[]);
    assert_eq!((ended.exit, ended.out), (Exit::Done, format!("{empty}\n")));
}

#[test]
fn an_admin_port_that_fails() {
    let ended = tether(&["health", "--admin", &admin_port("503 No", "draining\n")], &[]);
    assert_eq!(ended.exit, Exit::Failed);
    assert!(ended.err.contains("answered 503"), "{}", ended.err);

    let ended = tether(&["streams", "--admin", &admin_port("200 OK", "[]")], &[]);
    assert_eq!(ended.exit, Exit::Failed);
    assert!(ended.err.contains("no list of streams"), "{}", ended.err);

    let free = TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address").to_string();
    let ended = tether(&["health", "--admin", &free], &[]);
    assert_eq!(ended.exit, Exit::Unreachable);

    let ended = tether(&["health"], &[("TETHER_ADMIN", "nowhere")]);
    assert_eq!(ended.exit, Exit::BadConfig);
    assert!(ended.err.contains("TETHER_ADMIN") && ended.err.contains("--admin ADDR"), "{}", ended.err);
}

#[test]
fn a_reader_that_left_is_no_failure() {
    struct Gone(std::io::ErrorKind);
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for (kind, exit) in [(std::io::ErrorKind::BrokenPipe, Exit::Done), (std::io::ErrorKind::StorageFull, Exit::Failed)]
    {
        let mut err = Vec::new();
        let mut console = Console { out: &mut Gone(kind), err: &mut err, colour: Colour::Plain };
        let environment = Environment::read(|_| None);
        let arguments = Arguments::try_parse_from(["tether", "version"]).expect("usage");
        assert_eq!(dispatch(arguments, &environment, &mut console), exit);
    }
}
