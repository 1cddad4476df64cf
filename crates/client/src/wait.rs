//! Where time and chance come from.

use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::BuildHasher;
use std::time::Duration;

/// Waits between attempts and draws the jitter. Injected, so that a test neither waits nor gambles.
pub trait Wait: Sync {
    fn wait(&self, ms: u64) -> impl Future<Output = ()> + Send;

    /// A number in `0.0..1.0`.
    fn draw(&self) -> f64;
}

/// The real thing. Each draw takes the standard library's random hash keys: good enough to spread clients,
/// useless for secrets, and no dependency.
pub struct RealTime;

impl Wait for RealTime {
    async fn wait(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    fn draw(&self) -> f64 {
        /// As many bits as an `f64` holds exactly.
        const BITS: u32 = 53;
        (RandomState::new().hash_one(()) >> (u64::BITS - BITS)) as f64 / (1u64 << BITS) as f64
    }
}
