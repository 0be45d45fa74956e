//! Who may do what, decided from data. Pure.

pub mod bypass;
pub mod destination;
pub mod half_close;
pub mod pattern;
