//! What each fault does to a reply, put into the few things that a plan can do.

use std::collections::BTreeMap;

use classify::script::{self, Script};

use super::Action;
use crate::scenario::Fault;

/// A throttled reply moves once in this time, as often as a picture on a screen need not flicker.
const THROTTLE_STEP_MS: u64 = 50;

/// What a fault does to the reply.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    Act(Action),
    Corrupt,
    Pace(Pace),
    /// These actions take the place of the rest.
    Replace(Vec<Action>),
    /// The reply is held and changed as a whole.
    Rewrite,
}

/// So many bytes move at a time, with so long between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) bytes: u32,
    pub(super) ms: u64,
}

/// What a fault does; the name of the reply where it has none.
pub(super) fn effect<'a>(
    fault: &'a Fault,
    replies: &BTreeMap<String, Script>,
) -> Result<Effect, &'a String> {
    Ok(match fault {
        Fault::Close => Effect::Act(Action::Close),
        Fault::Corrupt => Effect::Corrupt,
        Fault::Cut => Effect::Act(Action::Cut),
        Fault::Delay { ms } => Effect::Act(Action::Delay { ms: *ms }),
        Fault::Drip { bytes, ms } => Effect::Pace(Pace { bytes: bytes.get(), ms: *ms }),
        Fault::DropEvent | Fault::DuplicateEvent | Fault::Gzip(_) | Fault::SwapEvents => {
            Effect::Rewrite
        }
        Fault::Flood { text, times } => {
            Effect::Act(Action::Pass(text.repeat(times.get() as usize).into()))
        }
        Fault::HalfClose => Effect::Act(Action::HalfClose),
        Fault::Insert { text } => Effect::Act(Action::Pass(text.clone().into())),
        Fault::Redirect { status, to } => {
            Effect::Act(Action::Redirect { status: *status, to: *to })
        }
        Fault::Replace { reply } => Effect::Replace(injection(replies.get(reply).ok_or(reply)?)),
        Fault::Reset => Effect::Act(Action::Reset),
        Fault::Slice { bytes } => Effect::Pace(Pace { bytes: bytes.get(), ms: 0 }),
        Fault::Stall => Effect::Act(Action::Stall),
        Fault::Throttle { bytes_per_s } => Effect::Pace(throttle(bytes_per_s.get())),
    })
}

/// A whole scripted reply leaves it to the connection whether there is a next one.
fn injection(script: &Script) -> Vec<Action> {
    let mut actions = vec![Action::Pass(script.wire_bytes().into())];
    match script.end {
        script::End::Closed { .. } => actions.push(Action::Close),
        script::End::Complete => {}
        script::End::Reset { .. } => actions.push(Action::Reset),
    }
    actions
}

fn throttle(bytes_per_s: u32) -> Pace {
    let bytes = (u64::from(bytes_per_s) * THROTTLE_STEP_MS / 1000).max(1);
    let ms = bytes * 1000 / u64::from(bytes_per_s);
    Pace { bytes: u32::try_from(bytes).unwrap_or(u32::MAX), ms }
}
