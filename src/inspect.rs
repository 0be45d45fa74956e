//! Bodies on their way: what is looked for in them, how they are decoded, what kind of file they are.
//!
//! Nothing here reads a clock or owns a socket, and only [`spool`] and [`verdicts`] wait: for the disk, and for what another
//! request is being told. A caller pushes what has come, in slices of a size that [`scan::Scanner::slice`] names, and is
//! told at once.

pub mod blocked;
pub mod body;
pub mod book;
pub mod course;
pub mod decode;
pub mod detector;
pub mod events;
pub mod history;
pub mod magic;
pub mod plan;
pub mod rules;
pub mod sampling;
pub mod scan;
pub mod settings;
pub mod spool;
pub mod trickle;
pub mod verdicts;
