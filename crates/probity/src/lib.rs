//! The tool: verbs, configuration, reports, exit codes.
//!
//! | question | module |
//! |---|---|
//! | what can be typed, and what stands in `probity.toml`? | [`cli`], [`config`], [`settings`] |
//! | what does the tool read about the API? | [`specs`] |
//! | what happens in a run? | [`run`], [`embedded`], [`scripted`], [`smoke`], [`subject`], [`selection`] |
//! | what do the verbs do? | [`chaos`](mod@chaos), [`contract`](mod@contract), [`explain`](mod@explain), [`merge`](mod@merge), [`replay`], [`rejudge`](mod@rejudge), [`serve`](mod@serve) |
//! | what holds a run that costs money? | [`live`] |
//! | what is asked of another server than our mock? | [`target`] |
//! | what is told, and how? | [`report`], [`findings`], [`ledger`], [`mod@curl`], [`console`] |
//! | how does it end? | [`exit`] |

pub mod chaos;
pub mod check;
pub mod cli;
pub mod concrete;
pub mod config;
pub mod console;
pub mod contract;
pub mod curl;
pub mod embedded;
pub mod exit;
pub mod explain;
pub mod findings;
mod html;
pub mod ledger;
pub mod live;
pub mod merge;
mod outcome;
pub mod record;
pub mod rejudge;
pub mod replay;
pub mod report;
mod reporter;
mod resume;
pub mod run;
pub mod scripted;
pub mod selection;
pub mod serve;
pub mod settings;
pub mod shrink;
pub mod smoke;
pub mod specs;
pub mod subject;
pub mod target;
pub mod twins;
