//! What media types and extensions say of a body: stream, media, file, and what may trickle.

use crate::http::push::{Push, of_content_type};
use crate::inspect::magic::{Class, FileKind};

/// Records that are written as they happen, besides those that [`of_content_type`] knows.
const STREAMS: [&str; 5] = [
    "application/json-seq",
    "application/geo+json-seq",
    "application/ndjson",
    "application/jsonl",
    "application/x-json-stream",
];

/// Lists of the parts of a film, small and read as text, whatever the first half of their type is.
const PLAYLISTS: [&str; 5] = [
    "application/vnd.apple.mpegurl",
    "application/x-mpegurl",
    "application/dash+xml",
    "audio/mpegurl",
    "audio/x-mpegurl",
];

/// Types of files that are saved and not shown.
const SAVED: [&str; 20] = [
    "application/octet-stream",
    "binary/octet-stream",
    "application/pdf",
    "application/zip",
    "application/x-zip-compressed",
    "application/gzip",
    "application/x-gzip",
    "application/x-tar",
    "application/x-bzip2",
    "application/x-xz",
    "application/zstd",
    "application/x-7z-compressed",
    "application/vnd.rar",
    "application/x-rar-compressed",
    "application/x-msdownload",
    "application/x-msdos-program",
    "application/x-msi",
    "application/vnd.microsoft.portable-executable",
    "application/vnd.debian.binary-package",
    "application/x-iso9660-image",
];

/// Types of programs, archives and documents, by how they begin, besides those in [`SAVED`].
const FILES: [&str; 10] = [
    "application/msword",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/vnd.ms-word",
    "application/vnd.openxmlformats-officedocument.",
    "application/vnd.oasis.opendocument.",
    "application/vnd.android.package-archive",
    "application/java-archive",
    "application/x-rpm",
    "application/x-sh",
];

/// Extensions of sound and film, as players fetch them in parts.
const MEDIA: &[&str] = &[
    "mp4", "m4v", "m4a", "m4s", "m4f", "cmfv", "cmfa", "mov", "webm", "weba", "mkv", "mka", "avi", "mpg", "mpeg", "ts",
    "m2ts", "mts", "mp3", "mp2", "aac", "flac", "wav", "ogg", "oga", "ogv", "opus", "wma", "wmv", "flv", "3gp",
];

/// Types that a browser makes use of as they come, or that programs run or read as they come.
const SHOWN: [&str; 9] = [
    "text/html",
    "text/css",
    "text/javascript",
    "text/ecmascript",
    "application/javascript",
    "application/x-javascript",
    "application/ecmascript",
    "application/json",
    "application/xml",
];

/// Extensions of what runs, or has something run.
const PROGRAMS: &[&str] = &[
    "exe", "dll", "msi", "msix", "msp", "com", "scr", "sys", "cpl", "ocx", "lnk", "pif", "appx", "deb", "rpm", "apk",
    "jar", "class", "so", "dylib", "elf", "pkg", "dmg", "wasm", "xpi", "crx", "bat", "cmd", "ps1", "psm1", "vbs",
    "vbe", "wsf", "wsh", "hta", "sh",
];

/// Extensions of what holds other files.
const ARCHIVES: &[&str] = &[
    "zip", "rar", "7z", "gz", "tgz", "bz2", "tbz2", "xz", "txz", "zst", "lz", "lz4", "lzh", "tar", "cab", "arj", "ace",
    "iso", "img", "vhd", "vhdx", "chm",
];

/// Extensions of what an office program or a viewer opens.
const DOCUMENTS: &[&str] = &[
    "pdf", "doc", "docx", "docm", "dot", "dotx", "dotm", "xls", "xlsx", "xlsm", "xlsb", "xlt", "xltx", "xltm", "ppt",
    "pptx", "pptm", "pps", "ppsx", "ppsm", "odt", "ods", "odp", "rtf", "one", "ps",
];

/// Whether bodies of this media type have no end of their own: event streams, records written as they happen, parts that
/// replace each other, gRPC in every form.
pub fn is_stream(media_type: &str) -> bool {
    of_content_type(media_type.as_bytes()) == Push::Declared || STREAMS.contains(&media_type) || is_grpc(media_type)
}

/// Whether it is gRPC: over HTTP, or for browsers.
pub fn is_grpc(media_type: &str) -> bool {
    let rest = media_type.strip_prefix("application/grpc");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '+']))
}

/// Whether it is sound or film.
pub fn is_media(media_type: &str) -> bool {
    media_type.starts_with("audio/") || media_type.starts_with("video/") || media_type == "application/ogg"
}

/// Whether it is a list of the parts of a film (HLS, DASH).
pub fn is_playlist(media_type: &str, extension: &str) -> bool {
    PLAYLISTS.contains(&media_type) || matches!(extension, "m3u8" | "mpd")
}

/// Whether files with this extension, given in lower case without its dot, are usually of no use in parts: programs,
/// scripts, archives, documents.
pub fn is_file(extension: &str) -> bool {
    PROGRAMS.contains(&extension) || ARCHIVES.contains(&extension) || DOCUMENTS.contains(&extension)
}

/// Whether a file of this type is usually of no use in parts. Not for what says nothing, such as `application/octet-stream`.
pub fn is_file_type(media_type: &str) -> bool {
    let says_nothing = media_type.ends_with("/octet-stream");
    (SAVED.contains(&media_type) && !says_nothing) || FILES.iter().any(|begin| media_type.starts_with(begin))
}

/// Whether files with this extension, given in lower case without its dot, are sound or film.
pub fn is_media_file(extension: &str) -> bool {
    MEDIA.contains(&extension)
}

/// Whether a few bytes of a body may go out before the rest of it is scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trickling {
    /// They may: nothing can be done with a beginning.
    Allowed,
    /// They may not: somebody makes use of what has come, or nobody knows what it is.
    Never,
}

/// Whether a body of this media type, whose first bytes have told this kind or could not, may trickle: files that are
/// saved, and media. Never pages, styles, programs in source, drawings in XML and data, whatever their first bytes are.
pub fn may_trickle(media_type: &str, kind: Option<FileKind>) -> Trickling {
    let is_shown = SHOWN.contains(&media_type) || media_type.ends_with("+xml") || media_type.ends_with("+json");
    let is_saved = SAVED.contains(&media_type) || is_media(media_type) || media_type.starts_with("image/");
    match kind.map(|kind| kind.class) {
        _ if is_shown || is_stream(media_type) || is_playlist(media_type, "") => Trickling::Never,
        // A shell runs each line as it comes.
        Some(Class::Script) => Trickling::Never,
        Some(Class::Executable | Class::Archive | Class::Document | Class::Media) => Trickling::Allowed,
        None if is_saved => Trickling::Allowed,
        None => Trickling::Never,
    }
}
