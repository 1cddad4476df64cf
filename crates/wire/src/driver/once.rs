//! A process per call, told by its environment what to do.

use std::process::{ExitStatus, Stdio};
use std::sync::Mutex;

use chaos::handling::CANARY_KEY;
use chaos::{Call, Outcome, OutcomeClass};
use futures::future::try_join;
use tokio::io::AsyncRead;
use tokio::time::timeout;

use super::outcome::outcome;
use super::process::{Process, Program, Said, hear, holds_key, lock};
use super::protocol::{Report, seconds};
use super::session::{LINE_BYTES_MAX, SETTLE_TIME, crashed, give_away};
use super::{LAST_WORDS_BYTES_MAX, Tier};
use crate::trial::Unseen;

/// How the line begins that is meant for us, among all that a client may print.
const REPORT_PREFIX: &str = r#"{"chaos":1"#;

pub(super) async fn run(
    program: &Program,
    tier: Tier,
    id: &str,
    call: &Call,
) -> Result<Outcome, Unseen> {
    if !call.asks.is_plain() {
        let reason = "the client is told by its environment, which knows plain calls only";
        return Err(Unseen::Skipped(reason.to_owned()));
    }
    let trouble = |what: String| Unseen::Trouble(format!("the client {what}"));
    let process = program
        .start(&environment(id, call), Stdio::null())
        .map_err(|error| trouble(format!("does not start: {error}")))?;
    let Process { stdout: Some(stdout), stderr: Some(stderr), mut life, .. } = process else {
        return Err(trouble("has no pipes".to_owned()));
    };
    let printed = Said::keeping(LINE_BYTES_MAX);
    let errors = Said::keeping(LAST_WORDS_BYTES_MAX);
    let status = {
        let mut heard =
            std::pin::pin!(try_join(bounded(stdout, &printed), bounded(stderr, &errors)));
        let early = tokio::select! {
            status = life.wait() => Some(status),
            heard = &mut heard => match heard {
                Ok(_) => None,
                Err(Flood) => return Err(trouble("floods its output".to_owned())),
            },
        };
        match early {
            Some(status) => {
                // Children of it may hold the pipes open for as long as they like.
                let _ = timeout(SETTLE_TIME, heard).await;
                status
            }
            None => life.wait().await,
        }
    };
    let status = status.map_err(|error| trouble(format!("cannot be waited for: {error}")))?;
    let text = lock(&printed).last();
    let words = lock(&errors).last();
    let mut outcome = match tier {
        Tier::BlackBox => told_by(status, text, &words),
        Tier::OneShot | Tier::Persistent => reported(status, &text, &words, call)?,
    };
    for (said, place) in [(&printed, "its standard output"), (&errors, "its standard error")] {
        if lock(said).take_leak() {
            give_away(&mut outcome, place);
        }
    }
    Ok(outcome)
}

/// More came out of a pipe than anybody wants to hear.
struct Flood;

async fn bounded(pipe: impl AsyncRead + Unpin, said: &Mutex<Said>) -> Result<(), Flood> {
    if hear(pipe, said).await { Ok(()) } else { Err(Flood) }
}

fn environment(id: &str, call: &Call) -> Vec<(&'static str, String)> {
    vec![
        ("ANTHROPIC_API_KEY", call.key.clone()),
        ("ANTHROPIC_BASE_URL", call.base_url.clone()),
        ("CHAOS_DEADLINE_S", seconds(call.deadline_ms).to_string()),
        ("CHAOS_MAX_RETRIES", call.max_retries.to_string()),
        ("CHAOS_PROMPT", call.prompt().to_owned()),
        ("CHAOS_SCENARIO", id.to_owned()),
        ("CHAOS_STREAM", u8::from(call.surface.streams()).to_string()),
        ("CHAOS_SURFACE", call.surface.name().to_owned()),
        ("CHAOS_TIMEOUT_S", seconds(call.timeout_ms).to_string()),
    ]
}

/// What the exit of a black box says. It prints the answer and nothing else.
fn told_by(status: ExitStatus, text: String, words: &str) -> Outcome {
    let message = format!("the process ended ({status}): {words}");
    let class = match status.code() {
        Some(0) => OutcomeClass::Success,
        Some(_) => OutcomeClass::Failed,
        None => OutcomeClass::Crashed,
    };
    Outcome { class, text: Some(text), ..crashed(message) }
}

fn reported(status: ExitStatus, text: &str, words: &str, call: &Call) -> Result<Outcome, Unseen> {
    let line = text.lines().rev().find(|line| line.starts_with(REPORT_PREFIX));
    let Some(line) = line else {
        let what = format!("the process ended without a report ({status}): {words}");
        return if status.success() {
            Err(Unseen::Trouble(what.replace(CANARY_KEY, "[key]")))
        } else {
            Ok(crashed(what))
        };
    };
    let mut report: Report = serde_json::from_str(line)
        .map_err(|error| Unseen::Trouble(format!("the client's report cannot be read: {error}")))?;
    report.holds_key = holds_key(line.as_bytes());
    outcome(report, call.surface)
}
