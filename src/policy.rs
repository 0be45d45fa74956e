//! Who may do what, decided from data. Pure.

pub mod destination;
