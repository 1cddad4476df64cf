//! A scenario played by hand: the server's side of a trial, for whoever wants to try a client himself.
//!
//! Nobody is judged, since nobody says how it went. Attempts are counted from the start of the server: to play the
//! scenario again, start it again.

use chaos::{Attempt, Handling, Scenario, Surface};
use tokio::time::Instant;

use super::rehearsal::{scripted, stand};
use super::{Stage, Unseen};
use crate::proxy::Proxy;
use crate::script::ScriptServer;

/// A scenario that waits for a client. It ends when it is dropped.
pub struct ByHand {
    proxy: Proxy,
    _server: Option<ScriptServer>,
}

/// Starts the server's side of a trial on this loopback port; 0 takes a free one.
pub async fn by_hand(
    scenario: &Scenario,
    surface: Surface,
    stage: Stage<'_>,
    port: u16,
) -> Result<ByHand, Unseen> {
    let server = scripted(scenario, surface, stage).await?;
    let proxy = stand(scenario, stage, server.as_ref(), Instant::now(), port).await?;
    Ok(ByHand { proxy, _server: server })
}

impl ByHand {
    /// The address to give to the client.
    pub fn base_url(&self) -> String {
        self.proxy.base_url()
    }

    /// What was seen so far.
    pub fn seen(&self) -> Handling {
        Handling {
            attempts: self.proxy.look(<[Attempt]>::to_vec),
            address: self.proxy.called.clone(),
            ..Handling::default()
        }
    }
}
