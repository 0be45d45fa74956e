//! The rules of the built-in scanner, as a file gives them.

use crate::inspect::rules::Notice;
use crate::inspect::settings::{ScanRule, built_in};

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
