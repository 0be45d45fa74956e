//! How problems look.

use std::path::Path;

use super::read;
use crate::config::{Colour, Overrides, parse};

#[test]
fn a_caret_under_the_mistake_and_the_fix_below() {
    let text = "# office\n[timeouts]\nconnect = \"5s\"\nconect_total = \"15s\"\n";
    let expected = "\
error: unknown key `conect_total` in `[timeouts]`
 --> t.toml:4:1
  |
4 | conect_total = \"15s\"
  | ^^^^^^^^^^^^
  |
  = help: did you mean `connect_total`?";
    assert_eq!(read(text).expect_err("bad").to_string(), expected);
}

#[test]
fn a_clash_shows_both_places() {
    let text =
        "[[forward]]\nname = \"a\"\nbind = \"127.0.0.1:1\"\n\n[[forward]]\nname = \"b\"\nbind = \"127.0.0.1:1\"\n";
    let expected = "\
error: port `a` and port `b` both listen on 127.0.0.1:1
 --> t.toml:7:8
  |
3 | bind = \"127.0.0.1:1\"
  |        ------------- first here
...
7 | bind = \"127.0.0.1:1\"
  |        ^^^^^^^^^^^^^
  |
  = help: give each an address or a port of its own";
    assert_eq!(read(text).expect_err("bad").to_string(), expected);
}

#[test]
fn colours_only_where_asked_for() {
    let error = read("workers = 0\nx = 1\n").expect_err("bad");
    assert!(!error.to_string().contains('\x1b'));
    assert!(error.render(Colour::Ansi).contains("\x1b["));
}

#[test]
fn control_characters_of_the_file_do_not_reach_the_terminal() {
    let error = read("[log]\naccess = \"a\\u001b[31m\"\n\"\\u001b]0;x\\u0007\" = 1\n[admin]\nbind = \"\\u001b\"\n");
    let shown = error.expect_err("bad").to_string();
    assert!(!shown.contains('\x1b') && !shown.contains('\x07'), "{shown:?}");
}

#[test]
fn any_bytes_are_answered_with_settings_or_problems() {
    let good = crate::config::DEFAULT_TOML.as_bytes();
    // A good file with one byte that is wrong, cut off a little later: always in the middle of something.
    for at in (0..good.len()).step_by(5) {
        for byte in [b'"', b'[', b'=', b'\n', 0xff] {
            let mut bytes = good.to_vec();
            bytes[at] = byte;
            bytes.truncate(at + 1 + at % 97);
            if let Err(error) = parse("t.toml", Path::new("/nonexistent"), bytes, &Overrides::default()) {
                assert!(!error.diagnostics().is_empty());
                assert!(error.to_string().starts_with("error: "), "{error}");
            }
        }
    }
}

#[test]
fn the_caret_and_the_data_agree_on_the_place() {
    for text in [
        "w = \u{fc}\n",
        "\u{fc}\u{fc} = 1\n",
        "workers = ",
        "x",
        "\u{feff}x = 1",
        "a = \"\u{1f600}\"\n\tb = 2\r\nc",
        "[[",
        "\n\n\n=",
    ] {
        let error = read(text).expect_err(text);
        let shown = error.to_string();
        for one in error.diagnostics() {
            let place = format!("t.toml:{}:{}\n", one.line.expect("line"), one.column.expect("column"));
            assert!(shown.contains(&place), "{text:?}: no {place:?} in\n{shown}");
        }
    }
}
