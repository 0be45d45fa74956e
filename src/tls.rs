//! TLS: whom we trust, and connections to servers that prove who they are. No type of the library beneath gets out of here.

pub mod connect;
pub mod trust;
