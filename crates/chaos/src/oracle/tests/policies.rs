//! Simulated clients under drawn policies: a right one draws no finding, and each wrong one draws its own.

use proptest::prelude::*;

use super::*;

/// What a client does with a failure. Times are in milliseconds.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) base_ms: u64,
    pub(super) factor: u64,
    pub(super) cap_ms: u64,
    /// How much of a wait chance may take away.
    pub(super) jitter_percent: u64,
    /// The longest demand that it waits out; a longer one is surfaced.
    pub(super) patience_ms: u64,
    pub(super) retries: u32,
    /// Whether its clock is injected: it waits in no time.
    pub(super) injected: bool,
    pub(super) wrong: Option<Wrong>,
}

/// One thing done wrong, and nothing else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wrong {
    ConstantWait,
    Deaf,
    ForgetsBody,
    ForgetsKind,
    ForgetsVersion,
    GivesUp,
    Hasty,
    KeepsTheDemand,
    LeavesConnections,
    Never,
    NewIdempotencyKey,
    OneTooMany,
    Pipelines,
    PrintsTheKey,
    RetriesAll,
    RetriesAgainstHeader,
    Storms,
    TrustsHalves,
}

impl Wrong {
    /// With the code that it must draw, and a script of the server on which it shows.
    pub(super) const ALL: [(Self, &'static str, &'static [Answer]); 18] = [
        (Self::ConstantWait, "no-growth", &[Answer::Overloaded, Answer::Overloaded, Answer::Good]),
        (Self::Deaf, "early-retry", &[Answer::Wait(2_000), Answer::Good]),
        (Self::ForgetsBody, "body-changed", &[Answer::Overloaded, Answer::Good]),
        (Self::ForgetsKind, "untyped-error", &[Answer::Refused]),
        (Self::ForgetsVersion, "malformed-request", &[Answer::Overloaded, Answer::Good]),
        (Self::GivesUp, "gave-up-early", &[Answer::Overloaded, Answer::Good]),
        (Self::Hasty, "no-backoff", &[Answer::Overloaded, Answer::Good]),
        (Self::KeepsTheDemand, "lost-retry-after", &[Answer::Wait(99_000)]),
        (Self::LeavesConnections, "abandoned-connection", &[Answer::Silence, Answer::Good]),
        (Self::Never, "hang", &[Answer::Overloaded, Answer::Good]),
        (Self::NewIdempotencyKey, "idempotency-key-changed", &[Answer::Overloaded, Answer::Good]),
        (Self::OneTooMany, "budget-exceeded", &[Answer::Overloaded]),
        (Self::Pipelines, "pipelined", &[Answer::Overloaded, Answer::Good]),
        (Self::PrintsTheKey, "key-leak", &[Answer::Refused]),
        (Self::RetriesAll, "retried-non-retryable", &[Answer::Refused, Answer::Good]),
        (Self::RetriesAgainstHeader, "retried-against-header", &[Answer::Hopeless, Answer::Good]),
        (Self::Storms, "retry-storm", &[Answer::Overloaded]),
        (Self::TrustsHalves, "false-ok", &[Answer::Half]),
    ];
}

/// What the server does on one attempt; the last one repeats.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Good,
    Half,
    Hopeless,
    Lost,
    Overloaded,
    Refused,
    Silence,
    Wait(u64),
}

impl Answer {
    fn bytes(self) -> String {
        match self {
            Self::Good => OK.to_owned(),
            Self::Half => OK[..100].to_owned(),
            Self::Hopeless => error(529, "overloaded_error", "x-should-retry: false\r\n"),
            Self::Lost | Self::Silence => String::new(),
            Self::Overloaded => error(529, "overloaded_error", ""),
            Self::Refused => error(400, "invalid_request_error", ""),
            Self::Wait(ms) => error(429, "rate_limit_error", &format!("retry-after-ms: {ms}\r\n")),
        }
    }

    fn failure(self) -> (OutcomeClass, Option<(u16, &'static str)>) {
        match self {
            Self::Good => (OutcomeClass::Success, None),
            Self::Half | Self::Lost => (OutcomeClass::TransportError, None),
            Self::Hopeless | Self::Overloaded => {
                (OutcomeClass::ApiError, Some((529, "overloaded_error")))
            }
            Self::Refused => (OutcomeClass::ApiError, Some((400, "invalid_request_error"))),
            Self::Silence => (OutcomeClass::Timeout, None),
            Self::Wait(_) => (OutcomeClass::ApiError, Some((429, "rate_limit_error"))),
        }
    }
}

/// The limit on one attempt, as in [`SCENARIO`].
const TIMEOUT_MS: u64 = 1_000;

/// Plays the client against the server on a clock that costs nothing. `chance` holds percents, one per wait.
pub(super) fn play(policy: &Policy, answers: &[Answer], chance: &[u64]) -> Handling {
    let wrong = |what| policy.wrong == Some(what);
    let answer = |idx: usize| answers[idx.min(answers.len() - 1)];
    let mut played = handling(&[], OutcomeClass::Success);
    let mut now_ms = 3;
    played.waits_ms = policy.injected.then(Vec::new);
    for idx in 0.. {
        let given = answer(idx);
        let end = if matches!(given, Answer::Silence) { End::Left } else { End::Closed };
        let took_ms = if end == End::Left { TIMEOUT_MS } else { 1 };
        let bytes = given.bytes();
        let mut attempt = handling(&[&bytes], OutcomeClass::Success).attempts.remove(0);
        (attempt.number, attempt.connection) = (idx as u32 + 1, idx as u32 + 1);
        (attempt.head_ms, attempt.end_ms, attempt.end) = (now_ms, now_ms + took_ms, end);
        let key = if wrong(Wrong::NewIdempotencyKey) { format!("key-{idx}") } else { "key".into() };
        attempt.request.headers.push("idempotency-key".to_owned(), key);
        if wrong(Wrong::ForgetsVersion) {
            attempt.request.headers.remove("anthropic-version");
        }
        if wrong(Wrong::ForgetsBody) && 0 < idx {
            attempt.request.body = Body::Empty;
        }
        if wrong(Wrong::LeavesConnections) && end == End::Left {
            attempt.end_ms += 30_000;
        }
        if wrong(Wrong::Pipelines) && 0 < idx {
            played.pipelined.push(attempt.number);
        }
        played.attempts.push(attempt);
        now_ms += took_ms;
        let Some(wait_ms) = wait_ms(policy, given, idx, chance) else { break };
        match &mut played.waits_ms {
            Some(waits_ms) => waits_ms.push(wait_ms),
            None => now_ms += wait_ms,
        }
    }
    played.elapsed_ms = now_ms + 1;
    let last = answer(played.attempts.len() - 1);
    let (class, said) = last.failure();
    let outcome = played.outcome.as_mut().unwrap();
    outcome.class = class;
    if let Some((status, kind)) = said.filter(|_| !wrong(Wrong::ForgetsKind)) {
        (outcome.status, outcome.error_type) = (Some(status), Some(kind.to_owned()));
        let tells = !wrong(Wrong::KeepsTheDemand);
        outcome.retry_after = tells.then(|| "as the header said".to_owned());
    }
    if wrong(Wrong::TrustsHalves) {
        outcome.class = OutcomeClass::Success;
    }
    if wrong(Wrong::PrintsTheKey) {
        outcome.message = format!("refused: authorization {CANARY_KEY}");
    }
    if wrong(Wrong::Never) {
        played.outcome = None;
    }
    played
}

/// The wait before the next attempt, or none if there is none.
fn wait_ms(policy: &Policy, given: Answer, idx: usize, chance: &[u64]) -> Option<u64> {
    let wrong = |what| policy.wrong == Some(what);
    let spent = policy.retries as usize;
    let budget = match policy.wrong {
        Some(Wrong::GivesUp) => 0,
        Some(Wrong::OneTooMany) => spent + 1,
        Some(Wrong::Storms) => 14,
        _ => spent,
    };
    let retryable = match given {
        Answer::Good => false,
        Answer::Refused => wrong(Wrong::RetriesAll),
        Answer::Hopeless => wrong(Wrong::RetriesAgainstHeader),
        Answer::Half => !wrong(Wrong::TrustsHalves),
        Answer::Wait(ms) => ms <= policy.patience_ms || wrong(Wrong::Deaf),
        Answer::Lost | Answer::Overloaded | Answer::Silence => true,
    };
    if !retryable || budget <= idx {
        return None;
    }
    let step = if wrong(Wrong::ConstantWait) { 0 } else { idx as u32 };
    let taken = if wrong(Wrong::ConstantWait) {
        0
    } else {
        chance[idx % chance.len()] * policy.jitter_percent / 100
    };
    let own_ms = (policy.base_ms.saturating_mul(policy.factor.pow(step.min(8)))).min(policy.cap_ms);
    let own_ms = own_ms - own_ms * taken / 100;
    Some(match given {
        _ if wrong(Wrong::Hasty) => 20,
        Answer::Wait(_) if wrong(Wrong::Deaf) => own_ms,
        Answer::Wait(ms) => ms + own_ms / 10,
        _ => own_ms,
    })
}

pub(super) fn policies() -> impl Strategy<Value = Policy> {
    let times = (200u64..=1_000, 2u64..=3, 4_000u64..=60_000);
    (times, 0u64..=25, 1_000u64..=60_000, 2u32..=5, any::<bool>()).prop_map(
        |((base_ms, factor, cap_ms), jitter_percent, patience_ms, retries, injected)| Policy {
            base_ms,
            factor,
            cap_ms,
            jitter_percent,
            patience_ms,
            retries,
            injected,
            wrong: None,
        },
    )
}

pub(super) fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let answer = prop_oneof![
        Just(Answer::Good),
        Just(Answer::Half),
        Just(Answer::Hopeless),
        Just(Answer::Lost),
        Just(Answer::Overloaded),
        Just(Answer::Refused),
        Just(Answer::Silence),
        (1u64..100_000).prop_map(Answer::Wait),
    ];
    proptest::collection::vec(answer, 1..5)
}

/// The codes that are found, each once.
fn findings(policy: &Policy, played: &Handling) -> Vec<&'static str> {
    codes(&judge(&patient(policy, ""), Surface::Create, played))
}

/// A scenario with patience for every wait that can be drawn: hanging is a mistake of its own.
pub(super) fn patient(policy: &Policy, more: &str) -> Scenario {
    let told = format!("timeout-ms = 1000\nretries = {}\ndeadline-ms = 1000000", policy.retries);
    let mut told = scenario(&format!("{told}\n{more}"));
    (told.expect.attempts.first, told.expect.attempts.last) = (0, None);
    told
}

pub(super) fn codes(judgement: &Judgement) -> Vec<&'static str> {
    let mut codes: Vec<_> = judgement.findings.iter().map(|finding| finding.code.name()).collect();
    codes.dedup();
    codes
}

/// A reply in some disguise: whole, cut anywhere, or not HTTP at all.
fn served_bytes() -> impl Strategy<Value = Vec<u8>> {
    let cut = (answers(), any::<prop::sample::Index>()).prop_map(|(answers, at)| {
        let bytes = answers[0].bytes().into_bytes();
        bytes[..at.index(bytes.len() + 1)].to_vec()
    });
    prop_oneof![cut, proptest::collection::vec(any::<u8>(), 0..80)]
}

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let ends = [End::Closed, End::Kept, End::Left, End::Reset, End::Unended];
    let attempt =
        (served_bytes(), any::<u64>(), any::<u64>(), proptest::sample::select(ends.to_vec()));
    let attempt = attempt.prop_map(|(served, head_ms, end_ms, end)| Attempt {
        served,
        head_ms,
        end_ms,
        end,
        ..handling(&[""], OutcomeClass::Success).attempts.remove(0)
    });
    proptest::collection::vec(attempt, 0..6)
}

proptest! {
    #[test]
    fn any_trial_is_judged(
        attempts in attempts(),
        abroad in attempts(),
        class in proptest::option::of(proptest::sample::select(&OutcomeClass::ALL[..])),
        text in "\\PC{0,20}",
        (elapsed_ms, noise_ms) in (any::<u64>(), any::<u64>()),
        (surface, retries) in (
            proptest::sample::select(vec![Surface::Create, Surface::Raw, Surface::Stream]),
            any::<u32>(),
        ),
        waits_ms in proptest::option::of(proptest::collection::vec(any::<u64>(), 0..6)),
        censored_ms in proptest::option::of(any::<u64>()),
        (n_calls, asks) in (
            0usize..4,
            proptest::sample::select(vec!["calls = 2", "parallel = 2", "follow-up = \"{}\""]),
        ),
    ) {
        let outcome = class.and_then(|class| with_text(handling(&[], class), &text).outcome);
        let any = Handling {
            attempts,
            abroad,
            outcome,
            elapsed_ms,
            noise_ms,
            waits_ms,
            censored_ms,
            nonces: (0..n_calls).map(|idx| format!("nonce-{idx:08x}")).collect(),
            ..Handling::default()
        };
        let asks = format!("ask = {{ {asks} }}\nretries = {retries}\ntimeout-ms = {}", i64::MAX);
        let mut told = scenario(&asks);
        told.timeout_ms = u64::MAX - u64::from(retries);
        let judgement = judge(&told, surface, &any);
        prop_assert_eq!(&judgement, &judge(&told, surface, &any));
        crate::TrialReport::new(&told, surface, &any);
        crate::TrialReport::herd(&told, surface, &[any.clone(), any.clone()], &[any]);
    }

    #[test]
    fn a_right_client_draws_no_finding(
        policy in policies(),
        answers in answers(),
        chance in proptest::collection::vec(0u64..=100, 6),
    ) {
        let played = play(&policy, &answers, &chance);
        prop_assert_eq!(findings(&policy, &played), Vec::<&str>::new(), "{:?}", played);
    }

    #[test]
    fn a_wrong_client_draws_its_own_finding(
        policy in policies(),
        (wrong, code, answers) in proptest::sample::select(&Wrong::ALL[..]),
        chance in proptest::collection::vec(0u64..=100, 6),
    ) {
        let policy = Policy { wrong: Some(wrong), ..policy };
        let played = play(&policy, answers, &chance);
        prop_assert_eq!(findings(&policy, &played), vec![code], "{:?}", played);
    }

    #[test]
    fn noise_takes_back_what_it_can_explain_and_nothing_else(
        policy in policies(),
        gap in 0u64..2_000,
        noise in 26u64..500,
    ) {
        let policy = Policy { injected: false, ..policy };
        let mut played = play(&policy, &[Answer::Wait(1_000), Answer::Good], &[0]);
        played.outcome.as_mut().unwrap().class = OutcomeClass::Success;
        played.attempts.truncate(1);
        let good = handling(&[OK], OutcomeClass::Success).attempts.remove(0);
        let head_ms = played.attempts[0].end_ms + gap;
        let mut retry = Attempt { number: 2, head_ms, end_ms: head_ms + 1, ..good };
        retry.request.headers.push("idempotency-key".to_owned(), "key".to_owned());
        played.attempts.push(retry);
        (played.elapsed_ms, played.noise_ms) = (head_ms + 2, noise);
        let verdict = judge(&scenario("retries = 2"), Surface::Create, &played).verdict;
        let expected = match 950u64.checked_sub(gap) {
            None | Some(0) => Verdict::Pass,
            Some(margin) if margin <= 2 * noise => Verdict::Inconclusive,
            Some(_) => Verdict::Fail,
        };
        prop_assert_eq!(verdict, expected, "{:?}", played);
    }
}

/// An ordinary client, wrong in this.
pub(super) fn ordinary(wrong: Option<Wrong>) -> Policy {
    Policy {
        base_ms: 500,
        factor: 2,
        cap_ms: 8_000,
        jitter_percent: 25,
        patience_ms: 60_000,
        retries: 2,
        injected: false,
        wrong,
    }
}

#[test]
fn every_mistake_is_played() {
    for (wrong, code, answers) in Wrong::ALL {
        for injected in [false, true] {
            let policy = Policy { injected, ..ordinary(Some(wrong)) };
            let played = play(&policy, answers, &[50]);
            assert_eq!(findings(&policy, &played), [code], "{wrong:?}");
        }
    }
}
