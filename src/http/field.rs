//! Header fields that a proxy must understand; every other passes through as it came.

/// A field name with a meaning of its own here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Accept, read to choose the form of our own answers.
    Accept,
    /// Authorization: some schemes tie the connection to one identity.
    Authorization,
    /// Connection: per hop.
    Connection,
    /// Content-Length: framing.
    ContentLength,
    /// Content-Type, read to know push streams.
    ContentType,
    /// Expect.
    Expect,
    /// Host: rebuilt from the target.
    Host,
    /// Keep-Alive: per hop.
    KeepAlive,
    /// Transfer-Encoding: framing.
    TransferEncoding,
    /// Upgrade: per hop, passed on only where a switch is wanted.
    Upgrade,
    /// Via: grows by our pseudonym.
    Via,
    /// WWW-Authenticate: some schemes tie the connection to one identity.
    WwwAuthenticate,
    /// Per hop, never passed on: Proxy-Connection, Proxy-Authenticate, Proxy-Authorization,
    /// Proxy-Authentication-Info, TE, HTTP2-Settings.
    PerHop,
    /// Anything else.
    Other,
}

/// Recognises a field name, in any letter case.
pub fn known(name: &[u8]) -> Known {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    match name.len() {
        2 if is(b"te") => Known::PerHop,
        3 if is(b"via") => Known::Via,
        4 if is(b"host") => Known::Host,
        6 if is(b"accept") => Known::Accept,
        6 if is(b"expect") => Known::Expect,
        7 if is(b"upgrade") => Known::Upgrade,
        10 if is(b"connection") => Known::Connection,
        10 if is(b"keep-alive") => Known::KeepAlive,
        12 if is(b"content-type") => Known::ContentType,
        13 if is(b"authorization") => Known::Authorization,
        14 if is(b"content-length") => Known::ContentLength,
        14 if is(b"http2-settings") => Known::PerHop,
        16 if is(b"proxy-connection") => Known::PerHop,
        16 if is(b"www-authenticate") => Known::WwwAuthenticate,
        17 if is(b"transfer-encoding") => Known::TransferEncoding,
        18 if is(b"proxy-authenticate") => Known::PerHop,
        19 if is(b"proxy-authorization") => Known::PerHop,
        25 if is(b"proxy-authentication-info") => Known::PerHop,
        _ => Known::Other,
    }
}

/// The members of a comma-separated list, without the white space around them and without empty ones.
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// Whether credentials or challenges are of a scheme that holds for the whole connection, not for one request: NTLM and
/// Negotiate (RFC 4559 section 6).
pub fn binds_connection(value: &[u8]) -> bool {
    list(value).any(|member| {
        let scheme = member.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"ntlm") || scheme.eq_ignore_ascii_case(b"negotiate")
    })
}

/// Most fields that `Connection` may name.
const MAX_NAMED: usize = 16;

/// What the `Connection` fields of a head ask for.
#[derive(Debug, Default)]
pub struct ConnectionOptions<'a> {
    /// `close` was said.
    pub close: bool,
    /// `keep-alive` was said.
    pub keep_alive: bool,
    /// `upgrade` was said.
    pub upgrade: bool,
    named: [&'a [u8]; MAX_NAMED],
    count: usize,
}

/// `Connection` names more fields than anybody has reason to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyNamed;

impl<'a> ConnectionOptions<'a> {
    /// Reads one `Connection` field.
    ///
    /// # Errors
    /// [`TooManyNamed`] when it names more than 16 fields.
    pub fn read(&mut self, value: &'a [u8]) -> Result<(), TooManyNamed> {
        for option in list(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else {
                *self.named.get_mut(self.count).ok_or(TooManyNamed)? = option;
                self.count += 1;
            }
        }
        Ok(())
    }

    /// Whether a field of this name, of no meaning to us, is dropped because `Connection` names it
    /// (RFC 9110 section 7.6.1). Framing, Host, Via and Expect are never asked: they cannot be dropped that way.
    pub fn names(&self, field: &[u8]) -> bool {
        self.named[..self.count].iter().any(|named| named.eq_ignore_ascii_case(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_case() {
        assert_eq!(known(b"TRANSFER-encoding"), Known::TransferEncoding);
        assert_eq!(known(b"Te"), Known::PerHop);
        assert_eq!(known(b"X-Te"), Known::Other);
        assert_eq!(known(b""), Known::Other);
    }

    #[test]
    fn schemes_that_bind_a_connection() {
        for (value, binds) in [
            ("NTLM", true),
            ("ntlm TlRMTVNTUAABAAAA", true),
            ("Negotiate YII=", true),
            ("Basic realm=\"x\", Negotiate", true),
            ("Basic bnRsbQ==", false),
            ("Bearer NTLM", false),
            ("NTLMv2", false),
            ("", false),
        ] {
            assert_eq!(binds_connection(value.as_bytes()), binds, "{value}");
        }
    }

    #[test]
    fn connection_options() {
        let mut options = ConnectionOptions::default();
        options.read(b"close, X-Secret ,, Keep-Alive").expect("few");
        options.read(b"UPGRADE").expect("few");
        assert!(options.close && options.keep_alive && options.upgrade);
        assert!(options.names(b"x-secret") && !options.names(b"x-other"));
        assert_eq!(options.read(b"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p"), Err(TooManyNamed));
    }
}
