//! Trials of several calls, of spared waits, and of waits that were cut short.

use proptest::prelude::*;

use super::policies::{Answer, Policy, Wrong, answers, codes, ordinary, patient, play, policies};
use super::*;
use crate::scenario::{Span, Wait};

/// The nonce of a call.
fn nonce(idx: usize) -> String {
    format!("nonce-{idx:08x}")
}

/// Several calls of one client as one trial: one after another with a pause, or side by side.
fn join(calls: Vec<Handling>, pause_ms: Option<u64>) -> Handling {
    let mut joined = Handling::default();
    let mut outcomes = vec![];
    let injected = calls[0].waits_ms.is_some();
    let (mut began_ms, mut waits_ms, mut n_connections) = (0, vec![], 0);
    for (idx, mut call) in calls.into_iter().enumerate() {
        for attempt in &mut call.attempts {
            (attempt.head_ms, attempt.end_ms) =
                (attempt.head_ms + began_ms, attempt.end_ms + began_ms);
            attempt.connection += n_connections;
            let body = format!("{{\"prompt\":\"Say hello. {}\"}}", nonce(idx));
            if attempt.request.body != Body::Empty {
                attempt.request.body = Body::Bytes(body.into());
            }
            attempt.request.headers.replace("idempotency-key", format!("key-{idx}"));
        }
        n_connections += call.attempts.len() as u32;
        joined.elapsed_ms = joined.elapsed_ms.max(began_ms + call.elapsed_ms);
        if let Some(pause_ms) = pause_ms {
            began_ms = joined.elapsed_ms + pause_ms;
        }
        joined.attempts.extend(call.attempts);
        joined.nonces.push(nonce(idx));
        waits_ms.extend(call.waits_ms.into_iter().flatten());
        outcomes.push(call.outcome);
    }
    joined.attempts.sort_by_key(|attempt| attempt.head_ms);
    for (idx, attempt) in joined.attempts.iter_mut().enumerate() {
        attempt.number = idx as u32 + 1;
    }
    joined.waits_ms = injected.then_some(waits_ms);
    joined.outcome = outcomes.pop().flatten();
    joined.earlier = outcomes.into_iter().flatten().collect();
    joined
}

fn several(policy: &Policy, pause_ms: Option<u64>, n_calls: usize) -> Scenario {
    let how = match pause_ms {
        Some(pause_ms) => format!("calls = {n_calls}, pause-ms = {pause_ms}"),
        None => format!("parallel = {n_calls}"),
    };
    patient(policy, &format!("ask = {{ {how} }}"))
}

/// Mistakes that show in one call among others, however their times mix: not one that ends the client, none that
/// is not counted among the attempts, and none that [`join`] mends.
fn shows_among_others(wrong: Wrong) -> bool {
    !matches!(
        wrong,
        Wrong::ForgetsBody | Wrong::Never | Wrong::NewIdempotencyKey | Wrong::Pipelines
    )
}

proptest! {
    #[test]
    fn right_calls_draw_no_finding(
        policy in policies(),
        calls in proptest::collection::vec(answers(), 2..6),
        chance in proptest::collection::vec(0u64..=100, 6),
        pause_ms in proptest::option::of(0u64..3_000),
    ) {
        let told = several(&policy, pause_ms, calls.len());
        let played = calls.iter().map(|answers| play(&policy, answers, &chance)).collect();
        let joined = join(played, pause_ms);
        let judgement = judge(&told, Surface::Create, &joined);
        prop_assert_eq!(codes(&judgement), Vec::<&str>::new(), "{:?}", judgement);
    }

    #[test]
    fn one_wrong_call_draws_its_own_finding(
        policy in policies(),
        (wrong, code, script) in proptest::sample::select(&Wrong::ALL[..]),
        others in proptest::collection::vec(answers(), 1..4),
        place in 0usize..4,
        chance in proptest::collection::vec(0u64..=100, 6),
        pause_ms in proptest::option::of(0u64..3_000),
    ) {
        // Side by side nobody can tell whose a spared wait was.
        let policy = Policy { injected: policy.injected && pause_ms.is_some(), ..policy };
        prop_assume!(shows_among_others(wrong));
        let mut played: Vec<_> =
            others.iter().map(|answers| play(&policy, answers, &chance)).collect();
        let place = place.min(played.len());
        let wrong_policy = Policy { wrong: Some(wrong), ..policy.clone() };
        played.insert(place, play(&wrong_policy, script, &chance));
        let told = several(&policy, pause_ms, played.len());
        let joined = join(played, pause_ms);
        let judgement = judge(&told, Surface::Create, &joined);
        prop_assert_eq!(codes(&judgement), vec![code], "{:?}", judgement);
        let detail = &judgement.findings[0].detail;
        let of_trial = matches!(wrong, Wrong::ForgetsVersion | Wrong::PrintsTheKey);
        prop_assert!(of_trial || detail.starts_with(&format!("call {}: ", place + 1)), "{}", detail);
    }
}

fn play_all(answers: &[&[Answer]]) -> Vec<Handling> {
    answers.iter().map(|answers| play(&ordinary(None), answers, &[50])).collect()
}

fn check_several(
    told: &Scenario,
    joined: &Handling,
    verdict: Verdict,
    codes: &[&str],
    detail: &str,
) {
    check_on(told, Surface::Create, joined, verdict, codes);
    let details = judge(told, Surface::Create, joined).findings;
    assert!(codes.is_empty() || details[0].detail.contains(detail), "{details:?}");
}

#[test]
fn an_answer_belongs_to_its_call() {
    let told = several(&ordinary(None), None, 2);
    let mut joined = join(play_all(&[&[Answer::Good], &[Answer::Good]]), None);
    joined.outcome.as_mut().unwrap().text = None;
    joined.earlier[0].text = Some("hello nonce-00000000".to_owned());
    check_several(&told, &joined, Verdict::Pass, &[], "");
    joined.earlier[0].text = Some("hello nonce-00000001".to_owned());
    check_several(&told, &joined, Verdict::Fail, &["foreign-answer"], "call 1 was given");
    joined.earlier[0].text = Some("hello nonce-0badc0de".to_owned());
    let calls = calls(&told, Surface::Create, &joined);
    let found = judge_calls(&["nonce-0badc0de"], &told, &joined, &calls);
    assert_eq!(codes(&found), ["foreign-answer"]);
}

#[test]
fn what_came_of_a_redirect_belongs_to_its_call() {
    let told = several(&ordinary(None), None, 2);
    let mut joined = join(play_all(&[&[Answer::Good], &[Answer::Good]]), None);
    let moved = "HTTP/1.1 307 Moved\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\n\r\n";
    for (idx, attempt) in joined.attempts.iter_mut().enumerate() {
        let mut abroad = attempt.clone();
        abroad.request.headers.0.clear();
        let body = format!(
            "{{\"type\":\"message\",\"id\":\"m\",\"role\":\"assistant\",\"content\":[{{\"type\":\"text\",\"text\":\"{}\"}}]}}",
            nonce(idx)
        );
        abroad.served = format!("HTTP/1.1 200 OK\r\n\r\n{body}").into_bytes();
        abroad.end = End::Closed;
        joined.abroad.push(abroad);
        attempt.served = moved.as_bytes().to_vec();
    }
    joined.earlier[0].text = Some(nonce(0));
    joined.outcome.as_mut().unwrap().text = Some(nonce(1));
    let found = |joined: &Handling| codes(&judge(&told, Surface::Create, joined));
    assert!(found(&joined).iter().all(|code| *code == "body-abroad"), "{:?}", found(&joined));
    joined.abroad.reverse();
    assert!(found(&joined).iter().all(|code| *code == "body-abroad"), "{:?}", found(&joined));
}

#[test]
fn the_scenario_s_demands_are_about_the_last_call() {
    let mut told = several(&ordinary(None), Some(0), 2);
    told.expect.outcome = vec![OutcomeClass::ApiError];
    let joined = join(play_all(&[&[Answer::Good], &[Answer::Refused]]), Some(0));
    check_several(&told, &joined, Verdict::Fail, &["unexpected-outcome"], "call 1: success");
    told.expect.earlier = vec![OutcomeClass::Success];
    check_several(&told, &joined, Verdict::Pass, &[], "");
    told.expect.status = Some(400);
    check_several(&told, &joined, Verdict::Pass, &[], "");
    // Attempts are counted all together.
    told.expect.attempts = Span { first: 3, last: Some(3) };
    check_several(&told, &joined, Verdict::Fail, &["too-few-attempts"], "2 attempts");
}

#[test]
fn a_retry_without_words_follows_what_was_not_answered() {
    let told = several(&ordinary(None), Some(0), 2);
    let mut joined =
        join(play_all(&[&[Answer::Good], &[Answer::Overloaded, Answer::Good]]), Some(0));
    joined.attempts[2].request.body = Body::Empty;
    let codes = ["body-changed"];
    check_several(&told, &joined, Verdict::Fail, &codes, "call 2: attempt 3 sent 0 bytes");
}

#[test]
fn a_follow_up_is_known_by_its_own_words() {
    let told = patient(&ordinary(None), "ask = { follow-up = \"And \\\"more\\\"?\" }");
    let mut joined =
        join(play_all(&[&[Answer::Good], &[Answer::Overloaded, Answer::Good]]), Some(0));
    joined.nonces = vec![nonce(0)];
    for (idx, attempt) in joined.attempts.iter_mut().enumerate() {
        let more = if idx == 0 { "" } else { "And \\\"more\\\"?" };
        let body = format!("{{\"prompt\":\"{} {more}\"}}", nonce(0));
        attempt.request.body = Body::Bytes(body.into());
    }
    check_several(&told, &joined, Verdict::Pass, &[], "");
    joined.attempts[2].head_ms = joined.attempts[1].end_ms + 1;
    check_several(&told, &joined, Verdict::Fail, &["no-backoff"], "call 2: retry 1 after 1 ms");
}

#[test]
fn spared_waits_are_judged_as_if_they_had_passed() {
    let overloaded = error(529, "overloaded_error", "retry-after: 30\r\n");
    let spared = |waits_ms: &[u64]| {
        let mut played = handling(&[&overloaded, OK], OutcomeClass::Success);
        (played.attempts[1].head_ms, played.attempts[1].end_ms) = (2, 3);
        (played.elapsed_ms, played.waits_ms) = (4, Some(waits_ms.to_vec()));
        played
    };
    let told = |deadline_ms: u64| scenario(&format!("deadline-ms = {deadline_ms}"));
    let on = |told: &Scenario, handling: &Handling, verdict, codes: &[&str]| {
        check_on(told, Surface::Create, handling, verdict, codes);
    };
    on(&told(40_000), &spared(&[30_000]), Verdict::Pass, &[]);
    on(&told(40_000), &spared(&[500]), Verdict::Fail, &["early-retry"]);
    on(&told(15_000), &spared(&[30_000]), Verdict::Fail, &["oversleep"]);
    // A retry that no wait was spared for did not wait.
    on(&told(40_000), &spared(&[]), Verdict::Fail, &["early-retry"]);
    let mut expects = told(40_000);
    expects.expect.waits = vec![Wait { retry: 1, at_least_ms: 31_000, at_most_ms: None }];
    on(&expects, &spared(&[30_500]), Verdict::Pass, &[]);
    on(&expects, &spared(&[29_000]), Verdict::Fail, &["early-retry"]);
    expects.expect.waits.clear();
    expects.expect.within_ms = Some(1_000);
    on(&expects, &spared(&[30_000]), Verdict::Fail, &["late-outcome"]);
    assert_eq!(spared(&[30_000]).gaps_ms(), [30_000]);
    // No clock of ours was asked.
    let noisy = Handling { noise_ms: 900, ..spared(&[28_000]) };
    on(&told(40_000), &noisy, Verdict::Fail, &["early-retry"]);
    // Slept on, and given up all the same.
    let mut slept = spared(&[30_000, 9_000]);
    let reply = error(429, "rate_limit_error", "retry-after: 9\r\n").into_bytes();
    slept.attempts[1].served = reply;
    slept.outcome = Some(Outcome::of(OutcomeClass::ApiError));
    let slept = reported(slept, 429, "rate_limit_error");
    on(&told(60_000), &slept, Verdict::Warn, &["oversleep"]);
}

#[test]
fn a_wait_that_was_cut_short_is_kept() {
    let demand = |header: &str| {
        let reply = error(429, "rate_limit_error", &format!("retry-after: {header}\r\n"));
        let mut cut = handling(&[&reply], OutcomeClass::Success);
        (cut.outcome, cut.elapsed_ms, cut.censored_ms) = (None, 5_001, Some(5_000));
        cut
    };
    let mut told = scenario("deadline-ms = 70000");
    (told.expect.attempts.first, told.expect.attempts.last) = (2, Some(2));
    let on = |handling: &Handling, verdict, codes: &[&str]| {
        check_on(&told, Surface::Create, handling, verdict, codes);
    };
    on(&demand("61"), Verdict::Pass, &[]);
    on(&demand("171"), Verdict::Fail, &["oversleep"]);
    on(&demand("3000000"), Verdict::Fail, &["oversleep"]);
    on(&demand("soon"), Verdict::Fail, &["hang"]);
    assert_eq!(demanded_ms(&demand("61").attempts[0]), Some(61_000));
    assert_eq!(demanded_ms(&demand("soon").attempts[0]), None);
    assert_eq!(demanded_ms(&Attempt::default()), None);
    let answered =
        handling(&[&OK.replace("\r\n\r\n", "\r\nretry-after: 9\r\n\r\n")], OutcomeClass::Success);
    assert_eq!(demanded_ms(&answered.attempts[0]), None);
}

#[test]
fn what_is_not_told_is_not_judged() {
    let mut quiet = handling(&[&sse(&["Hello"], true)], OutcomeClass::Success);
    quiet.outcome.as_mut().unwrap().text = None;
    let judgement = judge(&scenario(""), Surface::Stream, &quiet);
    assert_eq!(judgement.verdict, Verdict::Pass);
    assert!(judgement.reason.unwrap().ends_with("the text"));
}

/// A connection that died while it rested may be replaced at once, whatever call it had served.
#[test]
fn a_stale_connection_is_replaced_for_nothing() {
    let mut told = several(&ordinary(None), Some(0), 2);
    told.retries = 0;
    let (good, lost) = ([Answer::Good], [Answer::Lost, Answer::Good]);
    let mut joined = join(play_all(&[&good, &lost]), Some(0));
    joined.attempts[2].head_ms = joined.attempts[1].end_ms;
    check_several(
        &told,
        &joined,
        Verdict::Fail,
        &["budget-exceeded", "no-backoff"],
        "call 2: 2 att",
    );
    joined.attempts[1].connection = joined.attempts[0].connection;
    check_several(&told, &joined, Verdict::Pass, &[], "");
}

/// A client that left before the fault could strike, or made a new connection each time, was in another trial.
#[test]
fn a_trial_that_took_another_turn_says_little() {
    let strike = "[[fault]]\nattempts = \"1\"\nat = { body-byte = 1 }\nfault = \"close\"\n[expect]";
    let planned = Scenario::parse(&SCENARIO.replace("[expect]", strike)).unwrap();
    let mut left = handling(&[""], OutcomeClass::Timeout);
    (left.unfired, left.attempts[0].end) = (vec![0], End::Left);
    check_on(&planned, Surface::Create, &left, Verdict::Inconclusive, &["gave-up-early"]);
    let reuse = Scenario::parse(&format!("{SCENARIO}reuse = true\n")).unwrap();
    let overloaded = error(529, "overloaded_error", "");
    let mut twice = handling(&[&overloaded, OK], OutcomeClass::Success);
    check_on(&reuse, Surface::Create, &twice, Verdict::Inconclusive, &[]);
    twice.outcome.as_mut().unwrap().message = CANARY_KEY.to_owned();
    check_on(&reuse, Surface::Create, &twice, Verdict::Fail, &["key-leak"]);
    twice.outcome.as_mut().unwrap().message.clear();
    twice.attempts[1].connection = 1;
    check_on(&reuse, Surface::Create, &twice, Verdict::Pass, &[]);
}
