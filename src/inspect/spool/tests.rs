//! What holds for every body that is held.
