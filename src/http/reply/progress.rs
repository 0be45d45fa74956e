//! The page that stands in for a file while it is fetched and scanned: it grows as the file comes, and hands it out. It
//! runs nothing: each step is a rule of style that overrides the one before.

use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use super::page::CONTENT_SECURITY_POLICY;
use super::{Head, PageKind, header_text, legible};
use crate::base::reason::Reason;

const OPENING: &str = "opening";
const READY: &str = "ready";
const FAILED: &str = "failed";

static PARTS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut parts = Environment::empty();
    parts.set_auto_escape_callback(|_| AutoEscape::Html);
    parts.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, text) in [
        (OPENING, include_str!("progress.html")),
        (READY, include_str!("progress_ready.html")),
        (FAILED, include_str!("progress_failed.html")),
    ] {
        if let Err(error) = parts.add_template(name, text) {
            tracing::error!(%error, "the progress page does not compile; files trickle instead");
        }
    }
    parts
});

/// The file that a page stands in for, in the words of its URL or its head; they are not trusted.
#[derive(Clone, Copy, Debug)]
pub struct FileFacts<'a> {
    /// Its name.
    pub name: &'a str,
    /// The host that it comes from.
    pub host: &'a str,
    /// Bytes of it.
    pub length: u64,
}

/// The head of the page, whose body comes in chunks.
pub fn head(exchange_id: &str) -> String {
    let mut head = Head("HTTP/1.1 200 OK\r\n".to_owned());
    head.field("Content-Type", PageKind::Html.content_type());
    head.field("Transfer-Encoding", "chunked");
    head.field("Cache-Control", "no-store");
    head.field("Proxy-Status", "tether; details=\"The file is fetched and scanned before it is handed out.\"");
    head.field("X-Tether-Id", &header_text(exchange_id));
    head.field("X-Content-Type-Options", "nosniff");
    head.field("Content-Security-Policy", CONTENT_SECURITY_POLICY);
    head.finished()
}

/// The beginning of the page; none where its template does not render.
pub fn opening(file: &FileFacts<'_>) -> Option<String> {
    let (name, host, length) = (legible(file.name), legible(file.host), spell(file.length));
    PARTS.get_template(OPENING).ok()?.render(context! { name, host, length }).ok()
}

/// How far it is.
pub fn step(received: u64, length: u64) -> String {
    let tenths = u128::from(received.min(length)) * 1000 / u128::from(length.max(1));
    let (whole, tenth) = (tenths / 10, tenths % 10);
    format!(
        "<style>.bar i{{width:{whole}.{tenth}%}}.far::after{{content:\"{} of {}\"}}</style>\n",
        spell(received),
        spell(length)
    )
}

/// That all of it is here and somebody looks at it.
pub const SCANNING: &str =
    "<style>.bar i{width:100%}.far::after{content:\"All of it is here. It is being scanned.\"}</style>\n";

/// The end of the page where nothing was found: the file is at `link`.
pub fn ready(link: &str) -> String {
    let rendered = PARTS.get_template(READY).and_then(|part| part.render(context! { link }));
    rendered.unwrap_or_default()
}

/// The end of the page where the file is not handed out.
pub fn failed(reason: Reason, exchange_id: &str) -> String {
    let text = match reason.text() {
        "" => "It did not come to its end.",
        text => text,
    };
    let (label, id) = (reason.label(), header_text(exchange_id));
    let rendered = PARTS.get_template(FAILED).and_then(|part| part.render(context! { text, label, id }));
    rendered.unwrap_or_default()
}

/// Bytes in words.
fn spell(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..0x400 => return format!("{bytes} bytes"),
        0x400..0x10_0000 => (0x400, "KiB"),
        0x10_0000..0x4000_0000 => (0x10_0000, "MiB"),
        _ => (0x4000_0000, "GiB"),
    };
    let tenths = u128::from(bytes) * 10 / unit;
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_renders_and_trusts_nothing() {
        let file = FileFacts { name: "<b>\u{202e}.iso", host: "a\"b", length: 5 << 20 };
        let opening = opening(&file).expect("it renders");
        assert!(opening.contains("&lt;b&gt;\u{fffd}.iso") && opening.contains("5.0 MiB"), "{opening}");
        assert!(!opening.contains("<script") && !opening.contains("</html>"), "{opening}");
        let ready = ready("/x?a=\"><i>");
        assert!(ready.contains("http-equiv=\"refresh\"") && !ready.contains("<i>") && ready.ends_with("</html>"));
        let failed = failed(Reason::ContentBlocked, "7-1");
        assert!(failed.contains(Reason::ContentBlocked.text()) && failed.contains("content_blocked"), "{failed}");
        assert!(super::failed(Reason::ResponseCut, "7-1").contains("did not come to its end"));
    }

    #[test]
    fn steps_are_told_in_full() {
        assert!(step(0, 0).contains("width:0.0%"));
        assert!(step(1 << 19, 1 << 20).contains("width:50.0%}.far::after{content:\"512.0 KiB of 1.0 MiB\"}"));
        assert!(step(9, 8).contains("width:100.0%"));
        assert!(step(u64::MAX, u64::MAX).contains("width:100.0%"));
    }

    #[test]
    fn the_head_says_what_it_is() {
        let head = head("3-1\r\nX: y");
        assert!(head.contains("X-Tether-Id: 3-1??X: y\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(head.contains("Transfer-Encoding: chunked\r\n") && head.contains("Cache-Control: no-store\r\n"));
    }
}
