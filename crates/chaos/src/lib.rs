//! What can go wrong on the way to a client, and what a right client does about it.
//!
//! Reading order: [`scenario`] is a rehearsed failure as data, [`plan`] decides the fate of each byte of a
//! reply, [`handling`] is what the client then did, [`served`] what it was really given, [`oracle`] the
//! judgement of the two, [`report`] the judgement as a record; [`swarm`] draws scenarios that nobody wrote.
//!
//! The crate moves no byte itself: `wire` owns the sockets and obeys the plan. Times are milliseconds since
//! the trial began, handed in by whoever has a clock.

pub mod handling;
pub mod oracle;
pub mod plan;
pub mod report;
pub mod scenario;
pub mod served;
pub mod swarm;

pub use handling::{Attempt, Call, End, Handling, Outcome, OutcomeClass, Told, ToolCall};
pub use oracle::{Finding, Verdict, judge};
pub use plan::{Action, Asked, Fate, Plan};
pub use report::TrialReport;
pub use scenario::{Scenario, Surface};
