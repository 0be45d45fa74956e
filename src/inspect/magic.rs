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
