//! What scans bodies: which scanners in which order, and the rules of the built-in one.

use std::fmt;
use std::sync::Arc;

use crate::inspect::rules::Notice;
use crate::inspect::settings::{ScanRule, built_in};

/// The name of the scanner that needs no server.
pub const BUILT_IN: &str = "builtin";

/// A scanner, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScannerName {
    /// The one inside the program, with the rules of `scan.toml`.
    BuiltIn,
    /// An ICAP service: `[icap.NAME]`.
    Icap(Arc<str>),
}

impl ScannerName {
    /// The word in configurations.
    pub fn text(&self) -> &str {
        match self {
            ScannerName::BuiltIn => BUILT_IN,
            ScannerName::Icap(name) => name,
        }
    }
}

impl fmt::Display for ScannerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// `[inspect]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectSettings {
    /// What scans, in this order; nothing does where it is empty.
    pub default: Vec<ScannerName>,
}

impl Default for InspectSettings {
    fn default() -> Self {
        Self { default: vec![ScannerName::BuiltIn] }
    }
}

/// The rules of the built-in scanner: known to compile, and not compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanBook {
    /// `[[rule]]` of `scan.toml`, in the order of the file.
    pub rules: Vec<ScanRule>,
    /// What an operator should know about them.
    pub notices: Vec<Notice>,
}

impl Default for ScanBook {
    fn default() -> Self {
        Self { rules: built_in(), notices: Vec::new() }
    }
}
