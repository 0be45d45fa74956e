//! Whose word is taken for who a server is.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Whose word is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// That of the authorities this machine trusts; of those that browsers trust, where it knows none.
    #[default]
    System,
    /// That of the authorities in this file only.
    Only {
        /// Where they were read.
        file: PathBuf,
        /// What was in it.
        authorities: Authorities,
    },
}

/// Certificates of authorities, at least one. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorities(Arc<[CertificateDer<'static>]>);

/// Why a text brings no authorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAuthorities {
    /// It is broken PEM.
    Pem,
    /// There is no certificate in it.
    Empty,
    /// A certificate in it cannot be read.
    Certificate,
}

impl fmt::Display for BadAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadAuthorities::Pem => "it is not PEM",
            BadAuthorities::Empty => "there is no certificate in it",
            BadAuthorities::Certificate => "a certificate in it cannot be read",
        })
    }
}

impl Authorities {
    /// Reads certificates in PEM; whatever else is in there is passed over.
    ///
    /// # Errors
    /// [`BadAuthorities`].
    pub fn read(pem: &[u8]) -> Result<Self, BadAuthorities> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates = certificates.map_err(|_| BadAuthorities::Pem)?;
        if certificates.is_empty() {
            return Err(BadAuthorities::Empty);
        }
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            store.add(certificate.clone()).map_err(|_| BadAuthorities::Certificate)?;
        }
        Ok(Self(certificates.into()))
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} certificates", self.0.len())
    }
}

impl Trust {
    /// The certificates that count. Reads those of the machine, which takes some milliseconds.
    pub(super) fn roots(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        match self {
            // They were added once before, or there would be no such value.
            Trust::Only { authorities, .. } => drop(store.add_parsable_certificates(authorities.0.iter().cloned())),
            Trust::System => {
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if store.is_empty() {
                    store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
                }
            }
        }
        store
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_without_authorities() {
        let none = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (pem, why) in [
            (&b""[..], BadAuthorities::Empty),
            (b"words", BadAuthorities::Empty),
            (b"-----BEGIN CERTIFICATE-----\nAA", BadAuthorities::Pem),
            (none, BadAuthorities::Certificate),
        ] {
            assert_eq!(Authorities::read(pem), Err(why), "{}", String::from_utf8_lossy(pem));
        }
    }

    #[test]
    fn there_is_always_somebody_to_trust() {
        assert!(!Trust::System.roots().is_empty());
    }
}
