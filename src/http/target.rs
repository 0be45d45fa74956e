//! The request target (RFC 9112 section 3.2): where a request goes, and the path it asks for there.

use std::sync::Arc;

use crate::base::authority::{Authority, HTTP_PORT};

use super::method::Method;

/// Where a request goes.
#[derive(Clone, Debug)]
pub enum Target {
    /// To an origin, over plain HTTP.
    Origin(Arc<Authority>),
    /// CONNECT: a tunnel to this server.
    Tunnel(Arc<Authority>),
    /// To ourselves (origin form): the PAC file and the like.
    Own,
}

impl Target {
    /// The server it names; none for ourselves.
    pub fn authority(&self) -> Option<&Arc<Authority>> {
        match self {
            Target::Origin(authority) | Target::Tunnel(authority) => Some(authority),
            Target::Own => None,
        }
    }
}

/// The target cannot be understood in one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadTarget;

/// Reads a target. Gives the path that goes into the request line of the origin; it is empty for CONNECT.
///
/// `recent` is the authority of the request before: most requests of a connection go to the same server.
///
/// # Errors
/// [`BadTarget`] for other schemes than `http`, user info, fragments, and what [`Authority::parse`] refuses.
pub fn read_target<'a>(
    method: Method,
    target: &'a str,
    recent: Option<&Arc<Authority>>,
) -> Result<(Target, &'a str), BadTarget> {
    if method == Method::Connect {
        let authority = Authority::parse(target.as_bytes(), None).map_err(|_| BadTarget)?;
        return Ok((Target::Tunnel(Arc::new(authority)), ""));
    }
    if target.starts_with('/') || target == "*" {
        return Ok((Target::Own, target));
    }
    let (authority, path) = split_absolute(target)?;
    let authority = match recent {
        Some(recent) if recent.is_spelled(authority.as_bytes()) => recent.clone(),
        _ => Arc::new(Authority::parse(authority.as_bytes(), Some(HTTP_PORT)).map_err(|_| BadTarget)?),
    };
    // An OPTIONS for the server as a whole has no path (RFC 9112 section 3.2.4).
    let path = match path {
        "" if method == Method::Options => "*",
        "" => "/",
        path => path,
    };
    Ok((Target::Origin(authority), path))
}

fn split_absolute(target: &str) -> Result<(&str, &str), BadTarget> {
    let (scheme, rest) = target.split_at_checked("http://".len()).ok_or(BadTarget)?;
    if !scheme.eq_ignore_ascii_case("http://") || target.contains('#') {
        return Err(BadTarget);
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // `http://h?q` has an empty path; the origin form must begin with a slash. Too rare to mend: nobody writes it.
    if path.starts_with('?') { Err(BadTarget) } else { Ok((authority, path)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: Method, target: &str) -> Result<String, BadTarget> {
        let (target, path) = read_target(method, target, None)?;
        Ok(match target {
            Target::Origin(authority) => format!("{authority} {path}"),
            Target::Tunnel(authority) => format!("tunnel {authority}"),
            Target::Own => format!("own {path}"),
        })
    }

    #[test]
    fn forms() {
        for (method, target, read_as) in [
            (Method::Get, "http://h/a?b=c", "h:80 /a?b=c"),
            (Method::Get, "HTTP://H:8080", "h:8080 /"),
            (Method::Options, "http://h", "h:80 *"),
            (Method::Options, "http://h/", "h:80 /"),
            (Method::Get, "http://[::1]:81/", "[::1]:81 /"),
            (Method::Get, "/proxy.pac", "own /proxy.pac"),
            (Method::Options, "*", "own *"),
            (Method::Connect, "h:443", "tunnel h:443"),
        ] {
            assert_eq!(read(method, target).as_deref(), Ok(read_as), "{target}");
        }
    }

    #[test]
    fn refused() {
        for (method, target) in [
            (Method::Get, "https://h/"),
            (Method::Get, "ftp://h/"),
            (Method::Get, "h/"),
            (Method::Get, "http:/h/"),
            (Method::Get, "http://"),
            (Method::Get, "http:///x"),
            (Method::Get, "http://u:p@h/"),
            (Method::Get, "http://h/#f"),
            (Method::Get, "http://h?q"),
            (Method::Get, "http://h:/"),
            (Method::Connect, "h"),
            (Method::Connect, "http://h:443/"),
            (Method::Connect, "h:443/"),
            (Method::Connect, "/"),
            (Method::Get, "httpé//h/"),
        ] {
            assert_eq!(read(method, target), Err(BadTarget), "{target}");
        }
    }

    #[test]
    fn the_recent_authority_is_used_again() {
        let recent = Arc::new(Authority::parse(b"h:81", Some(80)).expect("authority"));
        let (target, _) = read_target(Method::Get, "http://h:81/x", Some(&recent)).expect("target");
        assert!(matches!(target, Target::Origin(authority) if Arc::ptr_eq(&authority, &recent)));
    }
}
