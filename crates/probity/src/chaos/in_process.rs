//! Trials of a client in the same process, for the tests of Rust users: no driver, no second program.
//!
//! A client is any function from a [`Call`] to an [`Answer`] or an error of its own. What an answer leaves out is not
//! judged, and an error says as much as it wants: one that is a [`Failure`], or has one among its sources, tells
//! status, type and code; of any other it is known that the call failed, and no more.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use chaos::{Outcome, OutcomeClass, Surface, Told, ToolCall};
use wire::trial::{Pace, Stage};

use super::card::{Client, Profile, Scorecard};
use super::contract_check;
use super::report::human;
use super::run::{Jobs, play};
use super::schedule::{Choice, Planned};
use crate::console::Paint;
use crate::embedded;
use crate::exit::Stop;
use crate::report::human::Page;
use crate::specs::{Overrides, Specs};

/// Trials at once: in a test they share a thread, and most of their time is waiting.
const JOBS: Jobs = Jobs { usual: 8, timed: 1 };

/// Lines of a failed test's message; terminals of test runs are narrow.
const PAGE: Page = Page { width: 100, paint: Paint { on: false } };

/// What the client is asked to do, once.
#[derive(Clone)]
pub struct Call {
    /// Where to send it: `http://127.0.0.1:PORT`, perhaps with a path.
    pub base_url: String,
    /// A key that opens nothing. It must turn up nowhere but in the credential header.
    pub key: String,
    /// The words of the user. They hold a nonce by which the request is known.
    pub prompt: String,
    /// Whether to ask for a stream.
    pub stream: bool,
    /// The limit on one attempt.
    pub timeout: Duration,
    /// The limit on the whole call, waits included.
    pub deadline: Duration,
    /// How often a failed attempt may be tried again.
    pub retries: u32,
}

/// What the client made of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The whole text. `None`: nothing that rests on the text is judged.
    pub text: Option<String>,
    /// Why the answer stopped, as the API says it.
    pub stop_reason: Option<String>,
    /// `None`: nothing that rests on tool calls is judged.
    pub tool_calls: Option<Vec<ToolCall>>,
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self { text: Some(text), ..Self::default() }
    }
}

/// What an error says of the API's refusal, where a client keeps it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Failure {
    pub status: Option<u16>,
    /// `error.type` of the answer.
    pub error_type: Option<String>,
    /// `error.details.error_code` of the answer.
    pub error_code: Option<String>,
    pub request_id: Option<String>,
    /// The wait that the server asked for, as it wrote it.
    pub retry_after: Option<String>,
    pub message: String,
    /// The text that came before the error, in a stream.
    pub partial: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}

/// Plays the whole catalogue to the client, with and without streams.
///
/// ```no_run
/// # async fn my_client_call(_: &str, _: &str, _: &str) -> Result<String, std::io::Error> { unimplemented!() }
/// use probity::chaos::{Answer, Call, trial};
///
/// // In your test, under `#[tokio::test]`:
/// # async fn test() {
/// let card = trial(|call: Call| async move {
///     let text = my_client_call(&call.base_url, &call.key, &call.prompt).await?;
///     Ok::<_, std::io::Error>(Answer::from(text))
/// })
/// .await;
/// card.assert_clean();
/// # }
/// ```
pub async fn trial<F, Fut, E>(client: F) -> Scorecard
where
    F: Fn(Call) -> Fut,
    Fut: Future<Output = Result<Answer, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    trial_of(&[], client).await
}

/// The same with the scenarios that these globs name, such as `sse-*`; none is all.
///
/// A client that says nothing but "it failed" is still held to what the wire shows:
///
/// ```
/// use probity::chaos::{Answer, Call, trial_of};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tokio::net::TcpStream;
///
/// /// A client that reads to the end and believes whatever it got.
/// async fn trusting(call: Call) -> Result<Answer, std::io::Error> {
///     let address = call.base_url.trim_start_matches("http://").to_owned();
///     let body = format!(
///         r#"{{"model":"claude-sonnet-5-5","max_tokens":64,"messages":[{{"role":"user","content":"{}"}}]}}"#,
///         call.prompt
///     );
///     let mut stream = TcpStream::connect(address).await?;
///     let head = format!(
///         "POST /v1/messages HTTP/1.1\r\nhost: probity\r\nx-api-key: {}\r\nanthropic-version: 2026-10-21\r\n\
///          content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
///         call.key,
///         body.len()
///     );
///     stream.write_all(format!("{head}{body}").as_bytes()).await?;
///     let mut answer = String::new();
///     stream.read_to_string(&mut answer).await?;
///     Ok(Answer { text: Some(answer), ..Answer::default() })
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let card = trial_of(&["cut-mid-body-cl"], trusting).await;
/// let codes: Vec<_> = card.failures().filter_map(|report| report.finding).map(|code| code.name()).collect();
/// assert!(codes.contains(&"false-ok"), "{codes:?}");
/// # });
/// ```
///
/// # Panics
///
/// If a glob names no scenario, or the machine gives no port on loopback: a test that looked at nothing must not pass.
pub async fn trial_of<F, Fut, E>(globs: &[&str], client: F) -> Scorecard
where
    F: Fn(Call) -> Fut,
    Fut: Future<Output = Result<Answer, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    held(globs, &client).await.unwrap_or_else(|stop| panic!("{stop}"))
}

impl Scorecard {
    /// Fails the test that calls it if the client failed a scenario, with the scorecard as its message.
    ///
    /// # Panics
    ///
    /// If a trial failed, could not be held, or none says anything about the client.
    #[track_caller]
    pub fn assert_clean(&self) {
        let counts = self.counts();
        let is_clean = counts.fail == 0 && counts.harness_error == 0 && counts.judged() > 0;
        assert!(is_clean, "{}", human::card(PAGE, self, false));
    }
}

async fn held<F, Fut, E>(globs: &[&str], client: &F) -> Result<Scorecard, Stop>
where
    F: Fn(Call) -> Fut,
    Fut: Future<Output = Result<Answer, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let started = Instant::now();
    let specs = Specs::load(&Overrides::default())?;
    let scenarios = globs.iter().map(|glob| (*glob).to_owned()).collect();
    let surfaces = vec![Surface::Create, Surface::Stream];
    let plan = Choice { scenarios, surfaces, ..Choice::default() }.plan(&specs.scenarios)?;
    let mock = embedded::start_for_anyone(&specs.contract).await?;
    let check = contract_check(&specs.contract);
    let stage = Stage {
        mock: Some(mock.address()),
        check: Some(&check),
        pace: Pace::Default,
        ..Stage::of(&specs.scripts)
    };
    let subject = |call: chaos::Call| async move { told(call, client).await };
    let hold = |planned: Planned| {
        let subject = &subject;
        async move { wire::trial::trial(&planned.scenario, planned.surface, stage, subject).await }
    };
    let results = play(&plan, JOBS, hold, |_| {}).await;
    Ok(Scorecard {
        client: Client {
            name: "client under test".to_owned(),
            version: "in process".to_owned(),
            language: "rust".to_owned(),
            runtime: None,
            asked_as: None,
        },
        profile: Profile::Default,
        results,
        stale: vec![],
        is_whole: globs.is_empty(),
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// One plain call. What goes beyond one is asked of drivers only.
async fn told<F, Fut, E>(call: chaos::Call, client: &F) -> Result<Told, wire::trial::Unseen>
where
    F: Fn(Call) -> Fut,
    Fut: Future<Output = Result<Answer, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    if !call.asks.is_plain() {
        let reason =
            "the scenario asks for more than one plain call, which only a driver can be asked";
        return Err(wire::trial::Unseen::Skipped(reason.to_owned()));
    }
    let asked = Call {
        prompt: call.prompt().to_owned(),
        base_url: call.base_url,
        key: call.key,
        stream: call.surface.streams(),
        timeout: Duration::from_millis(call.timeout_ms),
        deadline: Duration::from_millis(call.deadline_ms),
        retries: call.max_retries,
    };
    Ok(match client(asked).await {
        Ok(answer) => Outcome {
            text: answer.text,
            stop_reason: answer.stop_reason,
            tool_calls: answer.tool_calls,
            ..Outcome::of(OutcomeClass::Success)
        },
        Err(error) => failed(&*error.into()),
    }
    .into())
}

fn failed(error: &(dyn Error + Send + Sync + 'static)) -> Outcome {
    let mut chain: Vec<&(dyn Error + 'static)> = vec![error];
    let mut cause = error.source();
    while let Some(error) = cause {
        chain.push(error);
        cause = error.source();
    }
    let message: Vec<_> = chain.iter().map(ToString::to_string).collect();
    let Some(failure) = chain.iter().find_map(|error| error.downcast_ref::<Failure>()) else {
        return Outcome { message: message.join(": "), ..Outcome::of(OutcomeClass::Failed) };
    };
    let is_said = failure.status.is_some() || failure.error_type.is_some();
    let class = if is_said { OutcomeClass::ApiError } else { OutcomeClass::Failed };
    Outcome {
        status: failure.status,
        error_type: failure.error_type.clone(),
        error_code: failure.error_code.clone(),
        request_id: failure.request_id.clone(),
        retry_after: failure.retry_after.clone(),
        message: message.join(": "),
        text: Some(failure.partial.clone()).filter(|partial| !partial.is_empty()),
        ..Outcome::of(class)
    }
}
