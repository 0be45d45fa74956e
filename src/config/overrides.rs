//! What the command line and the environment set over the file.

use std::net::SocketAddr;

use super::problem::{Place, Problems};
use super::value::address;

/// Settings given outside the file; each wins over the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Bind of the first forward port.
    pub listen: Option<Given>,
    /// Bind of the admin port.
    pub admin: Option<Given>,
}

/// One setting given outside the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// By a flag, whose value the command line has checked.
    Flag {
        /// The flag with its dashes, for messages.
        name: &'static str,
        /// What it says.
        value: SocketAddr,
    },
    /// By an environment variable, not checked yet.
    Variable {
        /// The variable's name, for messages.
        name: &'static str,
        /// What it says.
        value: String,
    },
}

impl Given {
    /// The address and where it was given; a bad one is noted and `None`.
    pub(super) fn read(&self, problems: &mut Problems) -> Option<(SocketAddr, Place)> {
        match self {
            Given::Flag { name, value } => Some((*value, Place::Outside(name))),
            Given::Variable { name, value } => match address(value) {
                Ok(bind) => Some((bind, Place::Outside(name))),
                Err(wrong) => {
                    problems.add(Place::Outside(name), wrong.message, wrong.help);
                    None
                }
            },
        }
    }
}
