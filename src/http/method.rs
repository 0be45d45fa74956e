//! Request methods we treat differently from others.

/// Methods that have a label of their own; every other is counted under `other`.
pub const METHODS: [&str; 10] =
    ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE", "other"];

/// A request method; unknown ones pass through and count as `Other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// HEAD: the response has no body.
    Head,
    /// PUT
    Put,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
    /// PATCH
    Patch,
    /// CONNECT: asks for a tunnel.
    Connect,
    /// TRACE
    Trace,
    /// Any other token.
    Other,
}

impl Method {
    /// Recognises a method; they are case-sensitive (RFC 9110 section 9.1).
    pub fn of(token: &str) -> Method {
        match token {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "HEAD" => Method::Head,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            "PATCH" => Method::Patch,
            "CONNECT" => Method::Connect,
            "TRACE" => Method::Trace,
            _ => Method::Other,
        }
    }

    /// Its place in [`METHODS`].
    pub fn index(self) -> usize {
        (self as usize).min(METHODS.len() - 1)
    }

    /// Whether sending it twice does what sending it once does (RFC 9110 section 9.2.2).
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Method::Post | Method::Patch | Method::Connect | Method::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_and_label_agree() {
        for label in METHODS {
            let method = Method::of(label);
            assert_eq!(METHODS[method.index()], label);
        }
        assert_eq!(Method::of("get"), Method::Other);
    }
}
