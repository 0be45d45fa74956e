//! Which form of answer a client wants, from its `Accept`.

/// The form of an answer's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// A page for people.
    Html,
    /// An object for programs.
    Json,
    /// Lines for terminals, and for whoever does not say.
    Text,
}

impl PageKind {
    /// The value of `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            PageKind::Html => "text/html; charset=utf-8",
            PageKind::Json => "application/json",
            PageKind::Text => "text/plain; charset=utf-8",
        }
    }
}

/// The form with the highest weight; of equals, the one named first. A bare `*/*`, no `Accept` at all, or one that
/// names nothing we have, means text: that is what `curl` shows best.
pub fn page_kind(accept: Option<&[u8]>) -> PageKind {
    let accept = accept.unwrap_or_default();
    let mut best = (PageKind::Text, 0);
    for range in accept.split(|&byte| byte == b',') {
        let mut pieces = range.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let Some(kind) = pieces.next().and_then(kind_of) else { continue };
        let weight = weight(pieces);
        if weight > best.1 {
            best = (kind, weight);
        }
    }
    best.0
}

/// The form that a media range asks for by name.
fn kind_of(range: &[u8]) -> Option<PageKind> {
    let range = range.to_ascii_lowercase();
    match range.as_slice() {
        b"text/html" | b"application/xhtml+xml" => Some(PageKind::Html),
        b"application/json" | b"text/json" => Some(PageKind::Json),
        b"text/plain" | b"text/*" => Some(PageKind::Text),
        other if other.ends_with(b"+json") => Some(PageKind::Json),
        _ => None,
    }
}

/// The `q` of a range in thousandths: 1,000 when there is none, 0 when it cannot be read.
fn weight<'a>(mut parameters: impl Iterator<Item = &'a [u8]>) -> u16 {
    let weight = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_at_checked(2)?;
        name.eq_ignore_ascii_case(b"q=").then_some(value)
    });
    let Some(weight) = weight else { return 1_000 };
    let weight = std::str::from_utf8(weight).ok().and_then(|text| text.parse::<f32>().ok());
    match weight {
        Some(weight) if (0.0..=1.0).contains(&weight) => (weight * 1_000.0).round() as u16,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(accept: &str) -> PageKind {
        page_kind(Some(accept.as_bytes()))
    }

    #[test]
    fn browsers_get_pages() {
        let firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
        assert_eq!(kind(firefox), PageKind::Html);
        assert_eq!(kind("TEXT/HTML; charset=utf-8"), PageKind::Html);
        assert_eq!(kind("text/html, application/json"), PageKind::Html);
    }

    #[test]
    fn programs_get_json() {
        assert_eq!(kind("application/json, text/plain, */*"), PageKind::Json);
        assert_eq!(kind("application/vnd.api+json"), PageKind::Json);
        assert_eq!(kind("text/html;q=0.5, application/json"), PageKind::Json);
        assert_eq!(kind("text/html;q=0.5,application/json; Q=0.7"), PageKind::Json);
    }

    #[test]
    fn everybody_else_gets_text() {
        assert_eq!(page_kind(None), PageKind::Text);
        for accept in ["", "*/*", "image/webp,*/*", "text/*", "text/plain, text/html;q=0.9", ",;,", "q=1"] {
            assert_eq!(kind(accept), PageKind::Text, "{accept}");
        }
    }

    #[test]
    fn refused_and_unreadable_weights_are_no_wishes() {
        for accept in ["text/html;q=0", "text/html;q=nan", "text/html;q=-1", "text/html;q=7", "text/html;q="] {
            assert_eq!(kind(accept), PageKind::Text, "{accept}");
        }
    }
}
