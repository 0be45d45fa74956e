//! What the admin port is set to.

use std::fmt;
use std::hint::black_box;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// The `[admin]` section.
#[derive(Clone, Debug, PartialEq)]
pub struct AdminSettings {
    /// Where the admin port listens.
    pub bind: SocketAddr,
    /// Who may change something.
    pub tokens: AdminTokens,
}

/// Shorter tokens could be guessed.
const SHORTEST: usize = 16;

/// The tokens that changes are asked for with. Without any, changes are taken where the port is bound to loopback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminTokens {
    /// The file they were read from (`[admin] token_file`).
    pub file: Option<PathBuf>,
    tokens: Arc<[AdminToken]>,
}

/// A secret and the name that its owner has in the audit log.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken {
    name: Arc<str>,
    secret: Box<str>,
}

impl AdminTokens {
    /// The tokens in the `text` of `file`: each line a name and a token; empty ones and those behind `#` do not count.
    ///
    /// # Errors
    /// A sentence on what is wrong, without the secrets.
    pub fn read(file: PathBuf, text: &str) -> Result<Self, String> {
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let tokens = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(token);
        let tokens = tokens.collect::<Result<Arc<[_]>, _>>()?;
        if tokens.is_empty() {
            Err("there is no token in it".to_owned())
        } else {
            Ok(Self { file: Some(file), tokens })
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The first one, which commands use that are given this file.
    pub fn first(&self) -> Option<&AdminToken> {
        self.tokens.first()
    }

    /// The name of whoever has this secret. Takes as long for a wrong one as for a right one.
    pub fn name_of(&self, secret: &[u8]) -> Option<Arc<str>> {
        let mut found = None;
        for token in &*self.tokens {
            if is_same(token.secret.as_bytes(), secret) {
                found = Some(token.name.clone());
            }
        }
        found
    }
}

impl AdminToken {
    /// The secret, for a request that is made with it.
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminToken").field("name", &self.name).finish_non_exhaustive()
    }
}

fn token((line, text): (usize, &str)) -> Result<AdminToken, String> {
    let mut words = text.split_ascii_whitespace();
    let (Some(name), Some(secret), None) = (words.next(), words.next(), words.next()) else {
        return Err(format!("line {line} is not a name and a token"));
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    if name.len() > 64 || !name.bytes().all(is_name) {
        return Err(format!("the name in line {line} is not made of up to 64 letters, digits, `-`, `_`, `.` and `@`"));
    }
    if secret.len() < SHORTEST || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("the token in line {line} is not made of {SHORTEST} or more printable ASCII characters"));
    }
    Ok(AdminToken { name: name.into(), secret: secret.into() })
}

/// Compares every byte whatever was found before, so that the time does not tell how much was right.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |differences, (a, b)| black_box(differences | (a ^ b)));
    a.len() == b.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# who may\n\nanna 0123456789abcdef\n  ben\tfedcba9876543210 \n";

    fn read(text: &str) -> Result<AdminTokens, String> {
        AdminTokens::read("tokens".into(), text)
    }

    #[test]
    fn tokens_have_names() {
        let tokens = read(TEXT).expect("good");
        let name = |secret: &str| tokens.name_of(secret.as_bytes()).map(|name| name.to_string());
        assert_eq!(name("0123456789abcdef").as_deref(), Some("anna"));
        assert_eq!(name("fedcba9876543210").as_deref(), Some("ben"));
        for secret in ["", "0123456789abcde", "0123456789abcdeF", "0123456789abcdef0", "anna"] {
            assert_eq!(name(secret), None, "{secret}");
        }
        assert_eq!(tokens.first().map(AdminToken::secret), Some("0123456789abcdef"));
        let shown = format!("{tokens:?}");
        assert!(shown.contains("anna") && !shown.contains("0123456789abcdef"), "{shown}");
    }

    #[test]
    fn bad_files_are_told_without_their_secrets() {
        for (text, says) in [
            ("", "no token"),
            ("# anna 0123456789abcdef\n", "no token"),
            ("0123456789abcdef\n", "line 1"),
            ("anna 0123456789abcde\n", "16 or more"),
            ("\nanna 0123456789abcdef x\n", "line 2"),
            ("an:na 0123456789abcdef\n", "name in line 1"),
        ] {
            let why = read(text).expect_err(text);
            assert!(why.contains(says) && !why.contains("0123456789"), "{text}: {why}");
        }
    }
}
