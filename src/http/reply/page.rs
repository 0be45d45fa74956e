//! The page for people: a template compiled once, and the words for whose doing an error was.

use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use super::Story;
use crate::base::reason::{Fault, Reason};

/// The page runs nothing and fetches nothing; only its own style sheet is allowed.
pub(super) const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const NAME: &str = "page";

static PAGES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut pages = Environment::empty();
    // Escaping goes by file name otherwise, and this template has none.
    pages.set_auto_escape_callback(|_| AutoEscape::Html);
    pages.set_undefined_behavior(UndefinedBehavior::Strict);
    if let Err(error) = pages.add_template(NAME, include_str!("page.html")) {
        tracing::error!(%error, "the error page does not compile; clients get text");
    }
    pages
});

/// The page, or `None` when the template does not render.
pub(super) fn html(story: &Story<'_>) -> Option<String> {
    let side = side(story.reason);
    let named = context! {
        status => story.status,
        phrase => story.phrase,
        text => story.reason.text(),
        label => story.reason.label(),
        at => side.at,
        whose => side.whose,
        advice => side.advice,
        destination => story.destination,
        id => story.id,
    };
    PAGES.get_template(NAME).ok()?.render(named).ok()
}

/// Whose doing it was, in words, and which station of the way that is.
struct Side {
    at: &'static str,
    whose: &'static str,
    advice: &'static str,
}

fn side(reason: Reason) -> Side {
    match reason.fault() {
        Fault::Client => Side {
            at: "client",
            whose: "The request itself is the reason, and it came from your side.",
            advice: "Check the address. If it is right, the program that sent the request is at fault.",
        },
        Fault::Upstream => Side {
            at: "server",
            whose: "The site, its name or the way to it is the reason. Your connection to this proxy works.",
            advice: match reason {
                Reason::NameNotFound => "Check the spelling of the address.",
                _ => "Try again in a moment. If it stays like this, only the people behind the site can help.",
            },
        },
        Fault::Policy => Side {
            at: "proxy",
            whose: "A rule of this proxy is the reason. The site was not asked and may well be fine.",
            advice: "If you need this destination, ask whoever runs this proxy to allow it.",
        },
        Fault::Us | Fault::Nobody => Side {
            at: "proxy",
            whose: "This proxy is the reason. Neither you nor the site did anything wrong.",
            advice: "Try again in a moment.",
        },
    }
}
