//! The embedded mock: `crates/mock` behind a socket, with an obviously fake key.

use std::net::SocketAddr;
use std::sync::Arc;

use contract::spec::Contract;
use mock::{Config, Now, Pace, Rules};
use wire::server::{Embedded, abiding};
use wire::target::{Key, Target};

use crate::exit::{Exit, Stop};

/// Opens nothing but the mock.
pub const KEY: &str = "sk-ant-api03-probity-test-key";

/// Answers of the mock do not depend on the corpus's seed: the ledgers of two seeds can be compared.
pub(crate) const MOCK_SEED: u64 = 1;

/// A running mock, and the way to it.
pub struct Local {
    pub target: Target,
    server: Embedded,
}

impl Local {
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }
}

/// Starts a mock that holds on the day the contract describes, and knows one key.
pub async fn start(contract: &Arc<Contract>) -> Result<Local, Stop> {
    start_with(contract, Some(KEY.to_owned())).await
}

/// The same, for clients that bring a key of their own.
pub async fn start_for_anyone(contract: &Arc<Contract>) -> Result<Local, Stop> {
    start_with(contract, None).await
}

async fn start_with(contract: &Arc<Contract>, key: Option<String>) -> Result<Local, Stop> {
    let now = Now::at_date(&contract.as_of)
        .ok_or_else(|| Stop::usage(format!("as_of: `{}` is not a date", contract.as_of)))?;
    let config =
        Config { key, rules: Rules::All, seed: MOCK_SEED, pace: Pace::Instant, limits: None };
    let server = Embedded::start(abiding(Arc::clone(contract), config, now)).await;
    let target = Target::local(server.address(), Key::new(KEY.to_owned()))
        .map_err(|error| Stop::new(Exit::Internal, format!("the embedded mock: {error}")))?;
    Ok(Local { target, server })
}
