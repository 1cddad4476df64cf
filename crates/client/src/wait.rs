//! Where time and chance come from.

use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::BuildHasher;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lets waits between attempts pass, tells the time, and draws the jitter. Injected, so that a trial neither waits
/// nor gambles. Limits on the network stay real: a socket knows no other clock.
pub trait Wait: Sync {
    fn wait(&self, ms: u64) -> impl Future<Output = ()> + Send;

    /// A number in `0.0..1.0`.
    fn draw(&self) -> f64;

    /// Milliseconds since some moment that stays the same, waits included.
    fn now_ms(&self) -> u64 {
        real_ms()
    }
}

/// The real thing. Each draw takes the standard library's random hash keys: good enough to spread clients,
/// useless for secrets, and no dependency.
pub struct RealTime;

impl Wait for RealTime {
    async fn wait(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    fn draw(&self) -> f64 {
        fraction(RandomState::new().hash_one(()))
    }
}

/// Waits that pass at once and are written down; deadlines see them all the same. One for each call, since it
/// adds up the waits of all that use it.
pub struct Injected(Mutex<Waited>);

struct Waited {
    waits_ms: Vec<u64>,
    seed: u64,
    n_draws: u64,
}

/// The longest that a wait really takes: other tasks get their turn, and nothing spins.
const INJECTED_MS_MAX: u64 = 1;

impl Injected {
    /// Chance starts from the seed, and is the same for the same one.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Waited { waits_ms: vec![], seed, n_draws: 0 }))
    }

    /// The waits so far, in order.
    pub fn waits_ms(&self) -> Vec<u64> {
        self.waited().waits_ms.clone()
    }

    fn waited(&self) -> MutexGuard<'_, Waited> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wait for Injected {
    async fn wait(&self, ms: u64) {
        self.waited().waits_ms.push(ms);
        tokio::time::sleep(Duration::from_millis(ms.min(INJECTED_MS_MAX))).await;
    }

    fn draw(&self) -> f64 {
        let mut waited = self.waited();
        waited.n_draws += 1;
        seeded(waited.seed, waited.n_draws)
    }

    fn now_ms(&self) -> u64 {
        self.waited().waits_ms.iter().fold(real_ms(), |sum, ms| sum.saturating_add(*ms))
    }
}

/// Chance that two numbers decide, by the output function of splitmix64. Neighbouring seeds are laid far apart, or
/// one would draw what the other drew before.
pub(crate) fn seeded(seed: u64, n_draws: u64) -> f64 {
    let number = seed.rotate_left(u64::BITS / 2).wrapping_add(n_draws);
    let mut bits = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    fraction(bits ^ (bits >> 31))
}

fn fraction(bits: u64) -> f64 {
    /// As many bits as an `f64` holds exactly.
    const BITS: u32 = 53;
    (bits >> (u64::BITS - BITS)) as f64 / (1u64 << BITS) as f64
}

fn real_ms() -> u64 {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(BEGAN.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn injected_waits_pass_at_once_and_count() {
        let (began, injected) = (Instant::now(), Injected::new(7));
        let before_ms = injected.now_ms();
        injected.wait(3_600_000).await;
        injected.wait(u64::MAX).await;
        assert!(began.elapsed() < Duration::from_secs(1));
        assert!(before_ms + 3_600_000 <= injected.now_ms());
        assert_eq!(injected.waits_ms(), [3_600_000, u64::MAX]);
    }

    #[test]
    fn chance_is_within_its_bounds_and_the_same_for_the_same_seed() {
        let draws = |seed| -> Vec<f64> {
            let injected = Injected::new(seed);
            (0..100).map(|_| injected.draw()).collect()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(1 << 40));
        let real = (0..100).map(|_| RealTime.draw()).collect();
        for drawn in [draws(0), draws(7), real] {
            assert!(drawn.iter().all(|draw| (0.0..1.0).contains(draw)));
            let mean = drawn.iter().sum::<f64>() / 100.0;
            assert!((0.3..0.7).contains(&mean), "{mean}");
        }
    }
}
