//! `tether scan`: files in, one line for each out.

use std::path::Path;

use super::*;
use crate::inspect::settings::eicar;

/// A directory with these files in it and a configuration.
fn directory(configuration: &str, files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("directory");
    std::fs::write(root.path().join("t.toml"), configuration).expect("write");
    for (name, bytes) in files {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        std::fs::write(path, bytes).expect("write");
    }
    root
}

/// Scans these files of `root`; the lines come without the directory and without the time.
fn scan(root: &Path, words: &[&str], files: &[&str]) -> (Exit, String, String) {
    let folder = root.to_str().expect("text");
    let configuration = format!("{folder}/t.toml");
    let paths: Vec<String> = files.iter().map(|file| format!("{folder}/{file}")).collect();
    let mut all = vec!["scan", "-c", &configuration];
    all.extend(words);
    all.extend(paths.iter().map(String::as_str));
    let ended = tether(&all, &[]);
    let shorter = ended.out.replace(&format!("{folder}/"), "");
    let timeless = |line: &str| match line.rsplit_once(", ") {
        Some((before, time)) if time.ends_with(" ms") => format!("{before}\n"),
        _ => panic!("no time in {line}"),
    };
    (ended.exit, shorter.lines().map(timeless).collect(), ended.err)
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn one_line_for_each_file() {
    let hidden = [vec![b'x'; 200_000], eicar()].concat();
    let packed = gzipped(&hidden);
    let root = directory(
        "",
        &[
            ("clean", b"hello"),
            ("empty", b""),
            ("bad", &eicar()),
            ("hidden", &hidden),
            ("packed", &packed),
            ("cut", &packed[..40]),
        ],
    );
    std::fs::create_dir(root.path().join("folder")).expect("directory");
    let files = ["clean", "empty", "bad", "hidden", "packed", "cut", "folder", "absent"];
    let (exit, out, err) = scan(root.path(), &[], &files);
    let expected = format!(
        "clean: clean; 5 bytes\nempty: clean; 0 bytes\n\
         bad: blocked: rule `eicar`, by builtin (in its bytes up to 68); 68 bytes\n\
         hidden: blocked: rule `eicar`, by builtin (in its bytes up to 200068); 200068 bytes\n\
         packed: blocked: rule `eicar`, by builtin (in its decoded bytes up to 200068); {} bytes\n\
         cut: not scanned: builtin: the gzip is cut off; in the bytes as they are nothing was found; 40 bytes\n\
         folder: not scanned: it is a directory; 0 bytes\n\
         absent: not scanned: No such file or directory (os error 2); 0 bytes\n",
        packed.len()
    );
    assert_eq!((exit, out, err.as_str()), (Exit::Failed, expected, ""));
    assert_eq!(scan(root.path(), &[], &["clean", "empty"]).0, Exit::Done);
    // What is said to be as it is, is not decoded.
    let (exit, out, _) = scan(root.path(), &["--content-encoding", "identity"], &["packed"]);
    assert_eq!((exit, out), (Exit::Done, format!("packed: clean; {} bytes\n", packed.len())));
}

#[test]
fn what_is_said_of_a_file_counts() {
    let rules = b"[[rule]]\nname = \"type\"\nmedia_types = \"video/*\"\n[[rule]]\nname = \"end\"\nextensions = \"exe\"\n\
                  [[rule]]\nname = \"place\"\nurls = \"*.example/ads/*\"\n[[rule]]\nname = \"kind\"\nclasses = \"archive\"\n";
    let root =
        directory("", &[("policies/scan.toml", rules), ("a.txt", b"x"), ("a.EXE", b"x"), ("b.txt", &gzipped(b"y"))]);
    for (words, file, said) in [
        (&[][..], "a.txt", "a.txt: clean; 1 bytes\n"),
        (&[], "a.EXE", "a.EXE: blocked: rule `end`, by builtin (by the extension of its name); 1 bytes\n"),
        (
            &["--content-type", "video/mp4; x=y"],
            "a.txt",
            "a.txt: blocked: rule `type`, by builtin (by its media type); 1 bytes\n",
        ),
        (
            &["--url", "https://www.a.example/ads/1#x"],
            "a.txt",
            "a.txt: blocked: rule `place`, by builtin (by its URL); 1 bytes\n",
        ),
        (
            &["--url", "https://www.a.example/x.exe?y"],
            "a.txt",
            "a.txt: blocked: rule `end`, by builtin (by the extension of its name); 1 bytes\n",
        ),
        (&[], "b.txt", "b.txt: blocked: rule `kind`, by builtin (by its kind: archive, gzip); 21 bytes\n"),
    ] {
        let (exit, out, _) = scan(root.path(), words, &[file]);
        let expected = if said.contains("clean") { Exit::Done } else { Exit::Failed };
        assert_eq!((exit, out.as_str()), (expected, said));
    }
}

#[test]
fn scanners_are_picked_and_those_that_fail_are_named() {
    let free = TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address");
    let service = |on: &str| format!("[icap.av]\nurls = \"icap://{free}/x\"\non_failure = \"{on}\"\n");
    let order = "[inspect]\ndefault = [\"av\", \"builtin\"]\n";
    let failed = format!("not scanned: av: it refuses connections or cannot be reached (icap://{free}/x)");
    for (configuration, words, file, said) in [
        (service("block") + order, &[][..], "bad", &*failed),
        // The others are still asked.
        (service("pass") + order, &[], "bad", "blocked: rule `eicar`, by builtin (in its bytes up to 68)"),
        (service("pass") + order, &[], "clean", &*failed),
        (service("block"), &[], "clean", "clean"),
        (service("block") + order, &["--with", "builtin"], "clean", "clean"),
        (service("block"), &["--with", "builtin", "--with", "av", "--with", "av"], "clean", &*failed),
        (
            "[inspect]\ndefault = []\n".to_owned(),
            &[],
            "clean",
            "not scanned: `[inspect] default` names no scanner; `--with NAME` picks one",
        ),
    ] {
        let root = directory(&configuration, &[("bad", &eicar()), ("clean", &[b'x'; 68])]);
        let (exit, out, _) = scan(root.path(), words, &[file]);
        let expected = if said == "clean" { Exit::Done } else { Exit::Failed };
        assert_eq!((exit, out), (expected, format!("{file}: {said}; 68 bytes\n")), "{configuration}");
    }
    let root = directory("", &[("clean", b"x")]);
    let (exit, out, err) = scan(root.path(), &["--with", "av"], &["clean"]);
    assert_eq!((exit, out.as_str()), (Exit::Usage, ""));
    assert_eq!(err, "error: there is no scanner `av`; the configuration has `builtin`\n");
    let root = directory("[inspect]\ndefault = \"av\"\n", &[("clean", b"x")]);
    assert_eq!(scan(root.path(), &[], &["clean"]).0, Exit::BadConfig);
}

#[test]
fn json_has_one_object_on_each_line() {
    let root = directory("", &[("bad", &eicar()), ("clean", b"x")]);
    let path = |name: &str| root.path().join(name).to_str().expect("text").to_owned();
    let ended = tether(&["scan", "--json", "-c", &path("t.toml"), &path("bad"), &path("clean")], &[]);
    let lines = ended.out.lines().map(|line| {
        let mut line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let took = line.as_object_mut().and_then(|fields| fields.remove("ms")).expect("a time");
        assert!(took.is_f64(), "{took}");
        line
    });
    let expected = [
        serde_json::json!({ "path": path("bad"), "verdict": "blocked", "found": "eicar", "why": "in its bytes up to 68",
            "scanner": "builtin", "bytes": 68 }),
        serde_json::json!({ "path": path("clean"), "verdict": "clean", "found": null, "why": null, "scanner": null,
            "bytes": 1 }),
    ];
    assert_eq!((ended.exit, lines.collect::<Vec<_>>()), (Exit::Failed, expected.to_vec()));
}

#[test]
fn check_tells_what_is_to_be_known_of_rules() {
    let rules = b"[[rule]]\nname = \"short\"\nliterals = \"ab\"\n[[rule]]\nname = \"long\"\nregexes = '[a-z]{40}.{300}[0-9]{40}.{300}z'\n";
    let root = directory("", &[("policies/scan.toml", rules)]);
    let path = root.path().join("t.toml");
    let ended = tether(&["check", "-c", path.to_str().expect("text")], &[]);
    let expected = "2 scan rules\nbuilt-in rules: ok\n0 inspection rules; what none speaks of is scanned by builtin\n\
        note: rule `long`: expression 1 is too large for a table, so it is slow, and finds no match of more than 4096 bytes that \
        comes in several pieces\n\
        note: rule `short`: something shorter than 4 bytes makes looking for all literals of its `case` several times slower\n";
    assert!(ended.exit == Exit::Done && ended.out.ends_with(expected), "{}", ended.out);
}
