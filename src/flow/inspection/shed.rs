//! Bodies that are not held because the process is too short of room.

use crate::base::reason::Reason;
use crate::flow::session::Session;
use crate::inspect::course::{Course, OnOverload};
use crate::inspect::detector::Length;
use crate::inspect::plan::{Plan, Unscanned, WindowCause};
use crate::limits::overload::Level;

/// Bodies of a known length up to this are held however short of room the process is.
const SMALL: u64 = 64 << 10;

/// Whether the process is too short of room to hold the body; small ones cost it nothing.
pub fn is_shed(session: &Session<'_>, plan: Plan, length: Length) -> bool {
    let small = matches!(length, Length::Known(bytes) if bytes <= SMALL);
    matches!(plan, Plan::Whole | Plan::Look) && !small && session.services.overload.level() >= Level::ShedScans
}

/// What policy says becomes of a body that is not held.
///
/// # Errors
/// The [`Reason`] to refuse it.
pub fn shed(session: &Session<'_>, course: &Course) -> Result<Plan, Reason> {
    session.services.overload.count(Level::ShedScans, 1);
    match course.on_overload {
        OnOverload::Block => Err(Reason::ScanOverload),
        OnOverload::Window => Ok(Plan::Window(WindowCause::TooLarge)),
        OnOverload::PassUnscanned => {
            session.note_unscanned(Unscanned::Overload);
            Ok(Plan::Pass(Unscanned::Overload))
        }
    }
}
