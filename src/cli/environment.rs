//! The environment variables that count, read once.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::config::{Colour, Given, Overrides};

const LISTEN: &str = "TETHER_LISTEN";
const ADMIN: &str = "TETHER_ADMIN";

/// What the environment says. A variable that is empty counts as not there.
#[derive(Debug, PartialEq)]
pub(super) struct Environment {
    /// `TETHER_CONFIG`.
    pub config: Option<PathBuf>,
    /// `TETHER_LISTEN`, not checked yet.
    pub listen: Option<String>,
    /// `TETHER_ADMIN`, not checked yet.
    pub admin: Option<String>,
    /// `TETHER_LOG`, not checked yet.
    pub log: Option<String>,
    /// What is right for a terminal: `NO_COLOR` and `TERM`.
    pub colour: Colour,
}

impl Environment {
    /// Reads the variables through `variable`.
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        // What is not UTF-8 stays recognisably wrong and is refused as an address or a filter later.
        let text = |name: &str| set(name).map(|value| value.to_string_lossy().into_owned());
        let plain = set("NO_COLOR").is_some() || set("TERM").is_some_and(|term| term == "dumb");
        Self {
            config: set("TETHER_CONFIG").map(PathBuf::from),
            listen: text(LISTEN),
            admin: text(ADMIN),
            log: text("TETHER_LOG"),
            colour: if plain { Colour::Plain } else { Colour::Ansi },
        }
    }

    /// `flags`, and the variables where no flag is given.
    pub fn overrides(&self, flags: &Overrides) -> Overrides {
        let or = |flag: &Option<Given>, name: &'static str, value: &Option<String>| {
            flag.clone().or_else(|| value.clone().map(|value| Given::Variable { name, value }))
        };
        Overrides { listen: or(&flags.listen, LISTEN, &self.listen), admin: or(&flags.admin, ADMIN, &self.admin) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn empty_variables_are_not_there() {
        let names = ["TETHER_CONFIG", "TETHER_LISTEN", "TETHER_ADMIN", "TETHER_LOG", "NO_COLOR", "TERM"];
        assert_eq!(environment(&names.map(|name| (name, ""))), environment(&[]));
    }

    #[test]
    fn flags_win_over_variables() {
        let environment = environment(&[("TETHER_LISTEN", "127.0.0.1:1"), ("TETHER_ADMIN", "x")]);
        let flag = Given::Flag { name: "--listen", value: "127.0.0.1:2".parse().expect("address") };
        let both = environment.overrides(&Overrides { listen: Some(flag.clone()), admin: None });
        assert_eq!(both.listen, Some(flag));
        assert_eq!(both.admin, Some(Given::Variable { name: "TETHER_ADMIN", value: "x".to_owned() }));
    }

    #[test]
    fn colours_are_given_up_when_asked_to() {
        assert_eq!(environment(&[("TERM", "xterm")]).colour, Colour::Ansi);
        assert_eq!(environment(&[("TERM", "dumb")]).colour, Colour::Plain);
        assert_eq!(environment(&[("NO_COLOR", "1")]).colour, Colour::Plain);
    }
}
