//! The tool: verbs, configuration, reports, exit codes.
//!
//! | question | module |
//! |---|---|
//! | what can be typed, and what stands in `probity.toml`? | [`cli`], [`config`], [`settings`] |
//! | what does the tool read about the API? | [`specs`] |
//! | what happens in a run? | [`run`], [`embedded`], [`scripted`], [`smoke`], [`subject`], [`selection`] |
//! | what do the verbs do? | [`chaos`](mod@chaos), [`contract`](mod@contract), [`explain`](mod@explain), [`replay`], [`serve`](mod@serve) |
//! | what is told, and how? | [`report`], [`findings`], [`ledger`], [`mod@curl`], [`console`] |
//! | how does it end? | [`exit`] |

pub mod chaos;
pub mod cli;
pub mod config;
pub mod console;
pub mod contract;
pub mod curl;
pub mod embedded;
pub mod exit;
pub mod explain;
pub mod findings;
pub mod ledger;
mod outcome;
pub mod replay;
pub mod report;
mod reporter;
pub mod run;
pub mod scripted;
pub mod selection;
pub mod serve;
pub mod settings;
pub mod smoke;
pub mod specs;
pub mod subject;
