//! How much of the contract a server keeps that is not our own mock.
//!
//! A server that leaves a feature out and says so is another thing than one that answers wrongly, and a gateway that
//! breaks what its upstream did well another than one that passes on what the upstream broke. So the answers are read
//! once more, as a whole:
//!
//! | question | module |
//! |---|---|
//! | what is a request about? | [`feature`] |
//! | what does the server have at all? | [`probe`] |
//! | what does its author say that it leaves out? | [`profile`] |
//! | which model does a case name on a server that knows only its own? | [`model`] |
//! | what can be asked only with ids that the server gave? | [`chain`] |
//! | whose fault is it? | [`blame`] |
//! | what did a gateway change on the way? | [`altered`] |
//! | what does all that come to, rule by rule? | [`standing`] |
//!
//! All of it is pure, so that last month's answers can be read again. The price is that what a server leaves out must
//! be known before its answers are read, hence the probe.

pub mod altered;
pub mod blame;
pub mod chain;
pub mod feature;
pub mod model;
pub mod probe;
pub mod profile;
pub mod standing;

use self::chain::Rule;
use crate::level::Level;

/// The server went away while it was asked.
pub const ENDED: &str = "target/ended";

/// What is found beside the answers.
pub const RULES: [Rule; 3] = [
    Rule {
        id: altered::answer::RULE,
        sentence: "A gateway in front of the same API hands answers back as they are: the stop reason, every block, \
            the signatures, what was counted, and of an error its status, type and `retry-after`. The level is that \
            of what was lost or changed; who answered, the id of the request and the limits may be its own.",
        remedy: "Hand back what is not known, too; derive nothing anew that the server behind has said.",
        level: Level::AgentReady,
    },
    Rule {
        id: altered::RULE,
        sentence: "A gateway in front of the same API passes valid requests on as they are: every member of the body, \
            the version and the beta headers.",
        remedy: "Pass on what is not known, too: what means nothing here may mean something behind.",
        level: Level::Strict,
    },
    Rule {
        id: ENDED,
        sentence: "A server answers every request, and is there for the next.",
        remedy: "Send the last cases named here one by one; the one after which connections are refused ends the process.",
        level: Level::AgentReady,
    },
];
