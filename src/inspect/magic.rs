//! What kind of file a body is, by its first bytes, whatever its head says.

mod table;

use std::fmt;

use crate::inspect::settings::SettingError;
use table::{Mark, TABLE};

/// First bytes of a body that are looked at.
pub const LOOKED_AT: usize = 512;

/// Groups of kinds of file, for rules and for telling files from streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// What a processor or a virtual machine runs.
    Executable,
    /// What holds other files.
    Archive,
    /// What an office program or a viewer opens.
    Document,
    /// What an interpreter runs, and says so in its first line.
    Script,
    /// Pictures, sound and film.
    Media,
}

impl Class {
    /// Every class.
    pub const ALL: [Class; 5] = [Class::Executable, Class::Archive, Class::Document, Class::Script, Class::Media];

    /// The word in rule files and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Class::Executable => "executable",
            Class::Archive => "archive",
            Class::Document => "document",
            Class::Script => "script",
            Class::Media => "media",
        }
    }

    /// The class of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn parse(text: &str) -> Result<Self, SettingError> {
        Class::ALL.into_iter().find(|class| class.label() == text).ok_or(SettingError::NotClass)
    }

    /// Whether a body of this class has to be whole to be of use, so that it is never a live stream.
    pub const fn is_always_whole(self) -> bool {
        matches!(self, Class::Executable | Class::Archive | Class::Document)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.label())
    }
}

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileKind {
    /// Its group.
    pub class: Class,
    /// Its name, in lower case: `elf`, `zip`, `pdf`.
    pub name: &'static str,
}

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// More bytes may say more.
    NotYet,
    /// It is this kind of file.
    Kind(FileKind),
    /// It is none that is known here.
    Unknown,
}

/// Whether more bytes may follow those looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// They are all.
    None,
    /// More may follow.
    MayFollow,
}

/// Looks at the first bytes of a body. What is said of a beginning is never said otherwise of a longer one, but for
/// [`Sight::NotYet`].
pub fn look(head: &[u8], rest: Rest) -> Sight {
    let complete = rest == Rest::None || head.len() >= LOOKED_AT;
    for mark in TABLE {
        match fit(mark, head) {
            Fit::Whole => {
                return if mark.kind.name == "zip" { zip(mark.kind, head, complete) } else { Sight::Kind(mark.kind) };
            }
            // A mark that comes first in the table may still turn out to be there.
            Fit::SoFar if !complete => return Sight::NotYet,
            Fit::SoFar | Fit::Not => {}
        }
    }
    Sight::Unknown
}

/// Whether a body that begins so may turn out to be a file that is of no use in parts, by a mark at its very beginning.
pub fn begins_like_file(head: &[u8]) -> bool {
    let fits = |mark: &&Mark| mark.at == 0 && !matches!(fit(mark, head), Fit::Not);
    !head.is_empty() && TABLE.iter().filter(fits).any(|mark| mark.kind.class.is_always_whole())
}

/// What a body looks like of which so little came that nothing can be said for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaning {
    /// A file that is of no use in parts; only its kind may still turn out to be another.
    File(FileKind),
    /// It begins like one, for more bytes than by chance.
    Perhaps,
    /// Nothing.
    No,
}

/// Says what a body that begins so and then falls silent looks like: who sends it may stop where he likes.
pub fn leaning(head: &[u8]) -> Leaning {
    match look(head, Rest::None) {
        Sight::Kind(kind) if kind.class.is_always_whole() => Leaning::File(kind),
        _ if head.len() >= convincing(head) && begins_like_file(head) => Leaning::Perhaps,
        _ if table::begins_like_tar(head) => Leaning::Perhaps,
        _ => Leaning::No,
    }
}

/// Bytes of a mark that are no chance: people write words that begin like one, but hardly a byte that is no text.
fn convincing(head: &[u8]) -> usize {
    let is_text = head.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    if is_text { 4 } else { 2 }
}

enum Fit {
    Whole,
    SoFar,
    Not,
}

fn fit(mark: &Mark, head: &[u8]) -> Fit {
    let there = head.get(mark.at..).unwrap_or_default();
    let length = there.len().min(mark.bytes.len());
    let same = |(byte, wanted): (&u8, &u8)| mark.letters.same(*byte, *wanted);
    if !there[..length].iter().zip(mark.bytes).all(same) {
        Fit::Not
    } else if length == mark.bytes.len() {
        Fit::Whole
    } else {
        Fit::SoFar
    }
}

/// Office documents are zip files; the first name in them tells.
fn zip(kind: FileKind, head: &[u8], complete: bool) -> Sight {
    const NAME_AT: usize = 30;
    let document = |name| Sight::Kind(FileKind { class: Class::Document, name });
    let Some(name_length) = head.get(26..28).and_then(<[u8]>::first_chunk) else {
        return if complete { Sight::Kind(kind) } else { Sight::NotYet };
    };
    let end = (NAME_AT + usize::from(u16::from_le_bytes(*name_length)) + table::OPEN_DOCUMENT.len()).min(LOOKED_AT);
    if head.len() < end && !complete {
        return Sight::NotYet;
    }
    let inside = head.get(NAME_AT..end.min(head.len())).unwrap_or_default();
    if table::OFFICE_PARTS.iter().any(|part| inside.starts_with(part)) {
        return document("office");
    }
    if inside.starts_with(table::OPEN_DOCUMENT) {
        return document("opendocument");
    }
    Sight::Kind(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(head: &[u8]) -> Option<(Class, &'static str)> {
        match look(head, Rest::None) {
            Sight::Kind(kind) => Some((kind.class, kind.name)),
            Sight::Unknown => None,
            Sight::NotYet => panic!("nothing more comes"),
        }
    }

    fn zip(name: &[u8], content: &[u8]) -> Vec<u8> {
        let mut head = b"PK\x03\x04".to_vec();
        head.resize(26, 0);
        head.extend(u16::try_from(name.len()).expect("short").to_le_bytes());
        head.extend([0, 0]);
        [&head, name, content].concat()
    }

    #[test]
    fn kinds_are_known_by_their_first_bytes() {
        let tar = [&[b'a'; 257][..], b"ustar\x0000"].concat();
        for (head, kind) in [
            (&b"MZ\x90\0"[..], Some((Class::Executable, "mz"))),
            (b"\x7fELF\x02", Some((Class::Executable, "elf"))),
            (b"#!/bin/sh\n", Some((Class::Script, "shebang"))),
            (b"@Echo OFF\r\n", Some((Class::Script, "batch"))),
            (b"%PDF-1.7", Some((Class::Document, "pdf"))),
            (b"%PNG", None),
            (b"\x1f\x8b\x08", Some((Class::Archive, "gzip"))),
            (b"!<arch>\ndebian-binary", Some((Class::Executable, "deb"))),
            (b"!<arch>\nlib.o/", Some((Class::Archive, "ar"))),
            (&tar, Some((Class::Archive, "tar"))),
            (b"0000ftypisom", Some((Class::Media, "mp4"))),
            (b"<!doctype html>", None),
            (b"data: {}\n\n", None),
            (b"", None),
            (b"M", None),
        ] {
            assert_eq!(name(head), kind, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn a_zip_file_is_an_archive_or_a_document() {
        let document = zip(b"mimetype", b"application/vnd.oasis.opendocument.text");
        let long_name = zip(&[b'n'; 4000], b"");
        for (head, kind) in [
            (zip(b"setup.exe", b""), (Class::Archive, "zip")),
            (zip(b"[Content_Types].xml", b"PK"), (Class::Document, "office")),
            (zip(b"word/document.xml", b"PK"), (Class::Document, "office")),
            (document, (Class::Document, "opendocument")),
            (zip(b"mimetype", b"application/epub+zip"), (Class::Archive, "zip")),
            (long_name[..LOOKED_AT].to_vec(), (Class::Archive, "zip")),
            (b"PK\x03\x04".to_vec(), (Class::Archive, "zip")),
        ] {
            assert_eq!(name(&head), Some(kind), "{}", head.escape_ascii());
        }
    }

    #[test]
    fn what_is_said_of_a_beginning_holds_for_the_whole() {
        let office = zip(b"[Content_Types].xml", &[0; 600]);
        let tar = [&[b'a'; 257][..], b"ustar\x0000", &[0; 500]].concat();
        let text = b"@echo of course this is nothing but text ".repeat(20);
        for head in [&office[..], &tar, &text, b"%PDF-1.7 and more", b"!<arch>\ndebian-binary", b"\xca\xfe\xba\xbe\0\0"]
        {
            let whole = look(head, Rest::None);
            for end in 0..head.len() {
                let sight = look(&head[..end], Rest::MayFollow);
                assert!(sight == Sight::NotYet || sight == whole, "{end} of {}", head.escape_ascii());
            }
        }
        assert_eq!(look(&text[..LOOKED_AT], Rest::MayFollow), Sight::Unknown);
    }

    #[test]
    fn a_few_bytes_of_a_mark_are_convincing() {
        let mut tar = b"name".to_vec();
        tar.resize(100, 0);
        tar.extend_from_slice(b"0000644\0");
        let zip = FileKind { class: Class::Archive, name: "zip" };
        let ar = FileKind { class: Class::Archive, name: "ar" };
        for (head, looks) in [
            (&b"PK\x03\x04"[..], Leaning::File(zip)),
            (b"PK\x03\x04 and what an origin likes", Leaning::File(zip)),
            (b"!<arch>\ndeb", Leaning::File(ar)),
            (b"%PDF", Leaning::Perhaps),
            (b"{\\rt", Leaning::Perhaps),
            (b"PK\x03", Leaning::Perhaps),
            (b"\xd0\xcf", Leaning::Perhaps),
            (&tar, Leaning::Perhaps),
            (&tar[..107], Leaning::No),
            (b"", Leaning::No),
            (b"M", Leaning::No),
            (b"PK", Leaning::No),
            (b"%PD", Leaning::No),
            (b"\xd0", Leaning::No),
            (b"%PDx", Leaning::No),
            (b"%PDFx", Leaning::No),
            (b"\xd0\x9f\xd1\x80", Leaning::No),
            (b"#!/b", Leaning::No),
            (b"RIF", Leaning::No),
            (&[b' '; 200], Leaning::No),
            (&[b'0'; 200], Leaning::No),
        ] {
            assert_eq!(leaning(head), looks, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn classes_are_written_as_they_are_read() {
        for class in Class::ALL {
            assert_eq!(Class::parse(class.label()), Ok(class));
        }
        assert_eq!(Class::parse("exe"), Err(SettingError::NotClass));
    }

    #[test]
    fn marks_that_begin_alike_stand_in_order_of_length() {
        for (place, mark) in TABLE.iter().enumerate() {
            let hidden =
                TABLE[..place].iter().any(|before| before.at == mark.at && mark.bytes.starts_with(before.bytes));
            assert!(!hidden, "{} is never reached", mark.kind.name);
        }
    }
}
