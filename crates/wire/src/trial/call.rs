//! What a client is asked, down to the words.
//!
//! Each call has a nonce of its own, by which its requests are known and by which scripted replies show whose
//! answer they are. It is a hash of its place, so that a trial sends the same bytes every time.

use chaos::handling::CANARY_KEY;
use chaos::scenario::PromptShape;
use chaos::{Call, Scenario, Surface};

/// What every prompt asks; what comes back depends on the scenario alone.
const WORDS: &str = "Say hello.";

/// What a prompt is filled up with.
const FILLER: &str = " hello";

/// The call for client number `client`, and the nonce of each request that it is to make.
pub(super) fn call(
    scenario: &Scenario,
    surface: Surface,
    client: u32,
    base_url: &str,
) -> (Call, Vec<String>) {
    let asks = scenario.ask.clone();
    let nonces: Vec<_> =
        (0..asks.n_calls()).map(|call| nonce(&scenario.id, surface, client, call)).collect();
    let bytes_min = |call: usize| asks.prompt_bytes.get(call).or_else(|| asks.prompt_bytes.last());
    let prompts = nonces.iter().enumerate().map(|(call, nonce)| {
        prompt(nonce, asks.prompt, bytes_min(call).copied().unwrap_or_default())
    });
    let call = Call {
        base_url: base_url.to_owned(),
        key: asks.key.bend(CANARY_KEY),
        prompts: prompts.collect(),
        surface,
        timeout_ms: scenario.timeout_ms,
        deadline_ms: scenario.deadline_ms,
        max_retries: scenario.retries,
        asks,
    };
    // A second turn is one more call, and its request repeats the words of the last.
    let again = nonces.last().filter(|_| call.asks.follow_up.is_some()).cloned();
    (call, nonces.into_iter().chain(again).collect())
}

fn prompt(nonce: &str, shape: PromptShape, bytes_min: usize) -> String {
    let mut prompt = format!("{WORDS} {nonce}");
    if shape == PromptShape::LoneSurrogate {
        prompt.push(' ');
        prompt.push(PromptShape::SURROGATE);
    }
    let missing = bytes_min.saturating_sub(prompt.len());
    prompt.push_str(&FILLER.repeat(missing.div_ceil(FILLER.len())));
    prompt
}

fn nonce(scenario: &str, surface: Surface, client: u32, call: u32) -> String {
    let place = format!("{scenario} {} {client} {call}", surface.name());
    // The upper half, where every byte has arrived.
    format!("nonce-{:08x}", fnv_1a(place.as_bytes()) >> 32)
}

/// The hash of Fowler, Noll and Vo: a line is enough to tell calls apart.
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chaos::scenario::{Asks, KeyShape};

    use super::*;

    fn asked(asks: Asks) -> (Call, Vec<String>) {
        let mut scenario = Scenario::parse(
            r#"
            id = "plain"
            why = "Nothing goes wrong."
            severity = "S3"
            evidence = ["RFC 9110"]
            surfaces = ["create"]
            expect = { attempts = "1", outcome = ["success"] }
            "#,
        )
        .unwrap();
        scenario.ask = asks;
        call(&scenario, Surface::Create, 0, "http://127.0.0.1:9")
    }

    #[test]
    fn every_call_has_words_of_its_own() {
        let (call, nonces) = asked(Asks {
            calls: Some(3),
            key: KeyShape::TrailingNewline,
            prompt_bytes: vec![0, 500],
            ..Asks::default()
        });
        assert_eq!(call.key, format!("{CANARY_KEY}\n"));
        assert_eq!(nonces.iter().collect::<BTreeSet<_>>().len(), 3);
        assert_eq!(call.prompts[0], format!("Say hello. {}", nonces[0]));
        assert!((500..506).contains(&call.prompts[2].len()), "{}", call.prompts[2]);
        for (prompt, nonce) in call.prompts.iter().zip(&nonces) {
            assert!(prompt.contains(nonce) && nonce.len() == "nonce-00000000".len(), "{nonce}");
        }
    }

    #[test]
    fn a_second_turn_is_a_call_with_the_same_words() {
        let (call, nonces) =
            asked(Asks { follow_up: Some("And again.".to_owned()), ..Asks::default() });
        assert_eq!((call.prompts.len(), nonces.len()), (1, 2));
        assert_eq!(nonces[0], nonces[1]);
    }

    #[test]
    fn nonces_tell_clients_and_calls_and_surfaces_apart() {
        let mut seen = BTreeSet::new();
        for surface in [Surface::Create, Surface::Stream] {
            for client in 0..100 {
                for call in 0..60 {
                    assert!(seen.insert(nonce("herd-529", surface, client, call)));
                }
            }
        }
    }
}
