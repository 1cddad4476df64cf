//! A process per call, told by its environment what to do.

use std::process::{ExitStatus, Stdio};
use std::sync::Mutex;

use chaos::handling::CANARY_KEY;
use chaos::scenario::PromptShape;
use chaos::{Call, Outcome, OutcomeClass, Told};
use futures::future::try_join;
use tokio::io::AsyncRead;
use tokio::time::timeout;

use super::outcome::told;
use super::process::{Leaks, Process, Program, STDERR, STDOUT, Said, hear, lock};
use super::protocol::{Report, seconds};
use super::session::{LINE_BYTES_MAX, SETTLE_TIME, crashed};
use super::{LAST_WORDS_BYTES_MAX, Tier};
use crate::trial::Unseen;

/// How the line begins that is meant for us, among all that a client may print.
const REPORT_PREFIX: &str = r#"{"chaos":1"#;

/// An environment variable holds no more on Linux, its name included, and a prompt stands in one.
const VARIABLE_BYTES_MAX: usize = 128 << 10;

pub(super) async fn run(
    program: &Program,
    tier: Tier,
    id: &str,
    call: &Call,
    leaks: &Leaks,
) -> Result<Told, Unseen> {
    if let Some(lack) = lacks(call) {
        return Err(Unseen::Skipped(lack.to_owned()));
    }
    let trouble = |what: String| Unseen::Trouble(format!("the client {what}"));
    let process = program
        .start(&environment(id, call), Stdio::null())
        .map_err(|error| trouble(format!("does not start: {error}")))?;
    let Process { stdout: Some(stdout), stderr: Some(stderr), mut life, .. } = process else {
        return Err(trouble("has no pipes".to_owned()));
    };
    let said = Heard {
        printed: Said::keeping(LINE_BYTES_MAX),
        errors: Said::keeping(LAST_WORDS_BYTES_MAX),
        leaks,
    };
    let status = {
        let mut heard =
            std::pin::pin!(try_join(bounded(stdout, &said.printed), bounded(stderr, &said.errors)));
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
    let (text, words) = (lock(&said.printed).last(), lock(&said.errors).last());
    match tier {
        Tier::BlackBox => Ok(told_by(status, &words).into()),
        Tier::OneShot | Tier::Persistent => reported(status, &text, &words, call),
    }
}

/// What a client that is told by its environment cannot be told.
fn lacks(call: &Call) -> Option<&'static str> {
    let is_long = VARIABLE_BYTES_MAX <= call.prompt().len() + "CHAOS_PROMPT=".len();
    [
        (
            !call.asks.is_plain(),
            "the client is told by its environment, which knows plain calls only",
        ),
        (
            call.asks.prompt != PromptShape::Plain,
            "the prompt cannot stand in an environment variable",
        ),
        (is_long, "the prompt is too long for an environment variable"),
        (call.is_tls(), "whether the client trusts our authority is not known"),
    ]
    .into_iter()
    .find_map(|(lacks, reason)| lacks.then_some(reason))
}

/// What a process says, searched for the key also where nobody waits for its end.
struct Heard<'a> {
    printed: Mutex<Said>,
    errors: Mutex<Said>,
    leaks: &'a Leaks,
}

impl Drop for Heard<'_> {
    fn drop(&mut self) {
        for (said, place) in [(&self.printed, STDOUT), (&self.errors, STDERR)] {
            if 0 < lock(said).n_leaks() {
                self.leaks.note(place);
            }
        }
    }
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

/// What the exit of a black box says. What it prints is for people.
fn told_by(status: ExitStatus, words: &str) -> Outcome {
    let class = match status.code() {
        Some(0) => OutcomeClass::Success,
        Some(_) => OutcomeClass::Failed,
        None => OutcomeClass::Crashed,
    };
    let colon = if words.is_empty() { "" } else { ": " };
    Outcome { class, ..crashed(&format!("the process ended ({status}){colon}{words}")) }
}

fn reported(status: ExitStatus, text: &str, words: &str, call: &Call) -> Result<Told, Unseen> {
    let line = text.lines().rev().find(|line| line.starts_with(REPORT_PREFIX));
    let Some(line) = line else {
        let what = format!("the process ended without a report ({status}): {words}");
        return if status.success() {
            Err(Unseen::Trouble(what.replace(CANARY_KEY, "[key]")))
        } else {
            Ok(crashed(&what).into())
        };
    };
    let report: Report = serde_json::from_str(line)
        .map_err(|error| Unseen::Trouble(format!("the client's report cannot be read: {error}")))?;
    told(report, call)
}
