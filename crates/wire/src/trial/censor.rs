//! Long waits are believed once they have begun.

use std::time::Duration;

use chaos::oracle::demanded_ms;
use chaos::{Attempt, End};
use tokio::time::{Instant, sleep};

use super::Pace;
use crate::proxy::Proxy;
use crate::script::elapsed_ms;

/// A client that has kept so much of a wait keeps the rest, and a catalogue with waits of minutes ends in minutes.
const SILENCE_MS: u64 = 5_000;

/// How often it is looked whether the client keeps a wait: often enough beside [`SILENCE_MS`].
const STEP: Duration = Duration::from_millis(200);

/// Returns after a silence of so many milliseconds in which the client keeps a longer wait that was demanded of it.
pub(super) async fn long_wait(proxy: &Proxy, started: Instant, pace: Pace) -> u64 {
    loop {
        sleep(STEP).await;
        let silent_since_ms = elapsed_ms(started).checked_sub(SILENCE_MS);
        if pace == Pace::Default
            && let Some(since_ms) = silent_since_ms
            && proxy.look(|attempts| keeps_long_wait(attempts, since_ms))
        {
            return SILENCE_MS;
        }
    }
}

fn keeps_long_wait(attempts: &[Attempt], silent_since_ms: u64) -> bool {
    let Some(last) = attempts.iter().max_by_key(|attempt| attempt.end_ms) else { return false };
    last.end_ms <= silent_since_ms
        && attempts.iter().all(|attempt| attempt.end != End::Unended)
        && demanded_ms(last).is_some_and(|demanded_ms| SILENCE_MS < demanded_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &str, end: End, silent_since_ms: u64, expected: bool) {
        let served = format!("HTTP/1.1 429 X\r\ncontent-length: 0\r\n{headers}\r\n").into_bytes();
        let attempt = Attempt { end_ms: 100, served, end, ..Attempt::default() };
        let attempts = [Attempt { end: End::Reset, ..Attempt::default() }, attempt];
        assert_eq!(keeps_long_wait(&attempts, silent_since_ms), expected, "{headers}");
    }

    #[test]
    fn only_a_long_wait_that_is_kept_is_cut() {
        check("retry-after: 20\r\n", End::Kept, 100, true);
        check("retry-after-ms: 5001\r\n", End::Closed, 5_000, true);
        check("retry-after: 20\r\n", End::Kept, 99, false);
        check("retry-after: 20\r\n", End::Unended, 100, false);
        check("retry-after: 5\r\n", End::Kept, 100, false);
        check("retry-after: soon\r\n", End::Kept, 100, false);
        check("", End::Kept, 100, false);
        assert!(!keeps_long_wait(&[], 100));
    }
}
