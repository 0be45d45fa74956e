//! The marks by which kinds of file are known, in the order in which they are tried.

use super::{Class, FileKind};

/// Bytes at a place, and what they mean.
pub(super) struct Mark {
    pub(super) at: usize,
    pub(super) bytes: &'static [u8],
    pub(super) letters: Letters,
    pub(super) kind: FileKind,
}

/// Whether the case of letters matters.
#[derive(Clone, Copy)]
pub(super) enum Letters {
    Exact,
    Either,
}

impl Letters {
    pub(super) fn same(self, one: u8, other: u8) -> bool {
        match self {
            Letters::Exact => one == other,
            Letters::Either => one.eq_ignore_ascii_case(&other),
        }
    }
}

/// What stands at the place of the first name in an OpenDocument file, its uncompressed type included.
pub(super) const OPEN_DOCUMENT: &[u8] = b"mimetypeapplication/vnd.oasis.opendocument";

/// First names in the files of Office.
pub(super) const OFFICE_PARTS: &[&[u8]] = &[b"[Content_Types].xml", b"_rels/", b"docProps/", b"word/", b"xl/", b"ppt/"];

/// Whether it begins as a tar file may, before the place of its mark: a name, and behind it the rights of the file in octal
/// digits with a NUL (POSIX ustar, mode).
pub(super) fn begins_like_tar(head: &[u8]) -> bool {
    match head.get(100..108) {
        Some([digits @ .., 0]) => digits.iter().all(|byte| matches!(byte, b'0'..=b'7' | b' ')),
        _ => false,
    }
}

const fn mark(at: usize, bytes: &'static [u8], class: Class, name: &'static str) -> Mark {
    Mark { at, bytes, letters: Letters::Exact, kind: FileKind { class, name } }
}

const fn word(bytes: &'static [u8], class: Class, name: &'static str) -> Mark {
    Mark { at: 0, bytes, letters: Letters::Either, kind: FileKind { class, name } }
}

pub(super) const TABLE: &[Mark] = {
    use Class::*;
    &[
        mark(0, b"MZ", Executable, "mz"),
        mark(0, b"\x7fELF", Executable, "elf"),
        mark(0, b"\xfe\xed\xfa\xce", Executable, "macho"),
        mark(0, b"\xfe\xed\xfa\xcf", Executable, "macho"),
        mark(0, b"\xce\xfa\xed\xfe", Executable, "macho"),
        mark(0, b"\xcf\xfa\xed\xfe", Executable, "macho"),
        mark(0, b"\xca\xfe\xba\xbe", Executable, "java"),
        mark(0, b"\0asm", Executable, "wasm"),
        mark(0, b"dex\n", Executable, "dex"),
        mark(0, b"L\0\0\0\x01\x14\x02\0", Executable, "lnk"),
        mark(0, b"!<arch>\ndebian", Executable, "deb"),
        mark(0, b"\xed\xab\xee\xdb", Executable, "rpm"),
        mark(0, b"PK\x03\x04", Archive, "zip"),
        mark(0, b"PK\x05\x06", Archive, "zip"),
        mark(0, b"PK\x07\x08", Archive, "zip"),
        mark(0, b"Rar!\x1a\x07", Archive, "rar"),
        mark(0, b"7z\xbc\xaf\x27\x1c", Archive, "7z"),
        mark(0, b"\x1f\x8b", Archive, "gzip"),
        mark(0, b"BZh", Archive, "bzip2"),
        mark(0, b"\xfd7zXZ\0", Archive, "xz"),
        mark(0, b"\x28\xb5\x2f\xfd", Archive, "zstd"),
        mark(0, b"\x04\x22\x4d\x18", Archive, "lz4"),
        mark(0, b"LZIP", Archive, "lzip"),
        mark(0, b"MSCF", Archive, "cab"),
        mark(0, b"\x60\xea", Archive, "arj"),
        mark(0, b"xar!", Archive, "xar"),
        mark(0, b"!<arch>\n", Archive, "ar"),
        mark(0, b"ITSF", Archive, "chm"),
        mark(0, b"%PDF-", Document, "pdf"),
        mark(0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Document, "ole"),
        mark(0, b"{\\rtf", Document, "rtf"),
        mark(0, b"%!PS", Document, "postscript"),
        mark(0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", Document, "onenote"),
        mark(0, b"#!", Script, "shebang"),
        word(b"@echo off", Script, "batch"),
        word(b"<?php", Script, "php"),
        mark(0, b"\x89PNG\r\n\x1a\n", Media, "png"),
        mark(0, b"\xff\xd8\xff", Media, "jpeg"),
        mark(0, b"GIF87a", Media, "gif"),
        mark(0, b"GIF89a", Media, "gif"),
        mark(0, b"RIFF", Media, "riff"),
        mark(4, b"ftyp", Media, "mp4"),
        mark(0, b"\x1a\x45\xdf\xa3", Media, "matroska"),
        mark(0, b"OggS", Media, "ogg"),
        mark(0, b"fLaC", Media, "flac"),
        mark(0, b"ID3", Media, "mp3"),
        mark(0, b"FLV\x01", Media, "flv"),
        mark(257, b"ustar", Archive, "tar"),
    ]
};
