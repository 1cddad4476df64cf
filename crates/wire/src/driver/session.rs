//! A driver that stays: lines in, lines out, told apart by their numbers.
//!
//! A session never goes on after a breach of the protocol. What breaks it is told to every run in flight, since
//! a line that cannot be read does not say whose it was; who wants certainty runs one at a time.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chaos::handling::CANARY_KEY;
use chaos::scenario::PromptShape;
use chaos::{Call, Outcome, OutcomeClass, Told};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::LAST_WORDS_BYTES_MAX;
use super::outcome::told;
use super::process::{Leaks, Life, Process, Program, STDERR, STDOUT, Said, hear, holds_key, lock};
use super::protocol::{About, Command, Report, Run, VERSION};
use crate::trial::Unseen;

/// A report carries the text of an answer: the largest one that a scenario streams has 8 MB, and JSON adds its escapes.
pub(super) const LINE_BYTES_MAX: usize = 16 << 20;

/// An interpreter and an SDK load in seconds, on a busy machine in many.
const START_TIME_MAX: Duration = Duration::from_secs(60);

/// A driver has nothing to do when it is told to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(2);

/// Standard error is another pipe, and may be read a moment later than the report.
pub(super) const SETTLE_TIME: Duration = Duration::from_millis(10);

/// Runs whose command was not written yet. A herd is asked for in one go, before the writer gets its turn: room for six
/// times the forty clients of a scenario.
const COMMANDS_MAX: usize = 256;

/// A process that has said what it can do.
pub(super) struct Session {
    pub(super) about: About,
    shared: Arc<Shared>,
    commands: mpsc::Sender<String>,
    /// The process ends with them.
    tasks: Mutex<JoinSet<()>>,
}

struct Shared {
    runs: Mutex<Runs>,
    noise: Mutex<Said>,
    errors: Mutex<Said>,
}

#[derive(Default)]
struct Runs {
    n_asked: u64,
    waiting: HashMap<u64, oneshot::Sender<Result<Report, Broken>>>,
    broken: Option<Broken>,
}

/// How a session ended before its time.
#[derive(Clone, Debug)]
enum Broken {
    Crashed(String),
    Garbage(String),
}

impl Session {
    pub(super) async fn start(program: &Program) -> Result<Self, String> {
        let process = program
            .start(&[], Stdio::piped())
            .map_err(|error| format!("the driver does not start: {error}"))?;
        let Process { stdin: Some(stdin), stdout: Some(stdout), stderr: Some(stderr), life } =
            process
        else {
            return Err("the driver has no pipes".to_owned());
        };
        let shared = Arc::new(Shared {
            runs: Mutex::default(),
            noise: Said::keeping(LAST_WORDS_BYTES_MAX),
            errors: Said::keeping(LAST_WORDS_BYTES_MAX),
        });
        let (commands, queue) = mpsc::channel(COMMANDS_MAX);
        let (introduce, introduction) = oneshot::channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(write(stdin, queue));
        let noted = Arc::clone(&shared);
        tasks.spawn(async move {
            let stdout = BufReader::new(stdout);
            let mut errors = std::pin::pin!(hear(stderr, &noted.errors));
            let mut lines = std::pin::pin!(listen(stdout, life, introduce, &noted));
            let broken = tokio::select! {
                broken = &mut lines => broken,
                false = &mut errors => Broken::Garbage("it floods its standard error".to_owned()),
            };
            lock(&noted.runs).end(&broken);
        });
        send(&commands, &Command::Start { v: VERSION })?;
        let session = Self {
            about: introduced(introduction, &shared).await?,
            shared,
            commands,
            tasks: Mutex::new(tasks),
        };
        match session.about.v {
            VERSION => Ok(session),
            other => Err(format!("the driver speaks version {other} of the protocol")),
        }
    }

    /// Whether it can take no more runs.
    pub(super) fn is_over(&self) -> bool {
        lock(&self.shared.runs).broken.is_some()
    }

    /// Asks for a run; the number by which it can be forgotten, and where its end is told.
    pub(super) fn ask(&self, id: &str, call: &Call) -> Asked {
        let (tell, told) = oneshot::channel();
        let n_leaks = self.n_leaks();
        let seq = lock(&self.shared.runs).register(tell);
        if let Err(what) = send(&self.commands, &Command::Run(Run::new(seq, id, call))) {
            lock(&self.shared.runs).end(&Broken::Garbage(what));
        }
        Asked { seq, told, n_leaks }
    }

    /// The end of a run, in the harness's words.
    pub(super) async fn answer(
        &self,
        asked: &mut Asked,
        call: &Call,
        leaks: &Leaks,
    ) -> Result<Told, Unseen> {
        let report = match (&mut asked.told).await {
            Ok(Ok(report)) => report,
            Ok(Err(Broken::Garbage(what))) => return Err(Unseen::Trouble(what)),
            Ok(Err(Broken::Crashed(what))) => return Ok(crashed(&what).into()),
            Err(_) => return Err(Unseen::Trouble("the driver is gone".to_owned())),
        };
        sleep(SETTLE_TIME).await;
        if report.holds_key {
            leaks.note("its report");
        }
        told(report, call)
    }

    /// Forgets a run. True if its end was still to come.
    pub(super) fn forget(&self, seq: u64) -> bool {
        lock(&self.shared.runs).waiting.remove(&seq).is_some()
    }

    /// Lets it go in good order, for so long.
    pub(super) async fn stop(&self) {
        let _ = send(&self.commands, &Command::Stop);
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        let gone = async { while !self.is_over() && tasks.join_next().await.is_some() {} };
        // Who does not go is killed with the session.
        let _ = timeout(STOP_TIME_MAX, gone).await;
    }

    /// Notes where the process gave the key away beside the protocol since this was asked.
    pub(super) fn note_leaks(&self, asked: &Asked, leaks: &Leaks) {
        let places = [STDOUT, STDERR].into_iter().zip(asked.n_leaks).zip(self.n_leaks());
        for ((place, before), now) in places {
            if before < now {
                leaks.note(place);
            }
        }
        lock(&self.shared.noise).turn();
        lock(&self.shared.errors).turn();
    }

    fn n_leaks(&self) -> [u64; 2] {
        [&self.shared.noise, &self.shared.errors].map(|said| lock(said).n_leaks())
    }
}

/// A run in flight.
pub(super) struct Asked {
    pub(super) seq: u64,
    told: oneshot::Receiver<Result<Report, Broken>>,
    /// How often the key had been printed before.
    n_leaks: [u64; 2],
}

impl Runs {
    fn register(&mut self, tell: oneshot::Sender<Result<Report, Broken>>) -> u64 {
        self.n_asked += 1;
        match &self.broken {
            // Who asks too late learns it at once, and does not mind if nobody listens.
            Some(broken) => drop(tell.send(Err(broken.clone()))),
            None => drop(self.waiting.insert(self.n_asked, tell)),
        }
        self.n_asked
    }

    fn end(&mut self, broken: &Broken) {
        let n_waiting = self.waiting.len();
        for (_, tell) in self.waiting.drain() {
            let told = match broken {
                Broken::Crashed(what) if 1 < n_waiting => {
                    let what = what.replace(CANARY_KEY, "[key]");
                    Broken::Garbage(format!("with {n_waiting} runs in flight, {what}"))
                }
                _ => broken.clone(),
            };
            let _ = tell.send(Err(told));
        }
        self.broken = Some(broken.clone());
    }
}

/// The last words of a process may hold the key, which is noted elsewhere.
pub(super) fn crashed(message: &str) -> Outcome {
    let message = message.replace(CANARY_KEY, "[key]");
    Outcome { message, ..Outcome::of(OutcomeClass::Crashed) }
}

fn send(commands: &mpsc::Sender<String>, command: &Command<'_>) -> Result<(), String> {
    let line = serde_json::to_string(command).map_err(|error| error.to_string())?;
    // JSON can say what no string of ours can hold.
    let mut line = line.replace(PromptShape::SURROGATE, r"\ud83d");
    line.push('\n');
    commands.try_send(line).map_err(|_| "the driver takes no commands".to_owned())
}

async fn write(mut stdin: ChildStdin, mut queue: mpsc::Receiver<String>) {
    while let Some(line) = queue.recv().await {
        // It fails when the process has ended, which its listener finds out.
        if stdin.write_all(line.as_bytes()).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

async fn introduced(
    introduction: oneshot::Receiver<Result<About, String>>,
    shared: &Shared,
) -> Result<About, String> {
    match timeout(START_TIME_MAX, introduction).await {
        Ok(Ok(about)) => about,
        Ok(Err(_)) => {
            let broken = lock(&shared.runs).broken.clone();
            Err(match broken {
                Some(Broken::Crashed(what) | Broken::Garbage(what)) => what,
                None => "the driver is gone".to_owned(),
            })
        }
        Err(_) => Err(format!("the driver says nothing within {START_TIME_MAX:?}")),
    }
}

#[derive(Deserialize)]
struct Numbered {
    seq: u64,
    #[serde(flatten)]
    report: Report,
}

/// Reads lines until something breaks. The process lives as long as it is listened to.
async fn listen(
    mut stdout: BufReader<ChildStdout>,
    mut life: Life,
    introduce: oneshot::Sender<Result<About, String>>,
    shared: &Shared,
) -> Broken {
    let mut introduce = Some(introduce);
    loop {
        let mut line = vec![];
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        match (&mut stdout).take(limit).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return ended(&mut life, shared).await,
            Ok(LINE_BYTES_MAX) => return garbage("it sends a line without end", &line),
            Ok(_) => {}
        }
        if !line.starts_with(b"{") {
            // Libraries print what they like; only a flood of it is too much.
            if !lock(&shared.noise).add(&line) {
                return garbage("it floods its standard output", &line);
            }
            continue;
        }
        if let Some(introduce) = introduce.take() {
            let about = serde_json::from_slice(&line);
            let about =
                about.map_err(|error| format!("the driver does not introduce itself: {error}"));
            let _ = introduce.send(about);
            continue;
        }
        let Ok(Numbered { seq, mut report }) = serde_json::from_slice(&line) else {
            return garbage("its report cannot be read", &line);
        };
        report.holds_key = holds_key(&line);
        let mut runs = lock(&shared.runs);
        if seq == 0 || runs.n_asked < seq {
            return garbage("it reports a run that nobody asked for", &line);
        }
        // A run that nobody waits for any more was given up at its deadline.
        if let Some(tell) = runs.waiting.remove(&seq) {
            let _ = tell.send(Ok(report));
        }
    }
}

/// How the process ended, after its output did.
async fn ended(life: &mut Life, shared: &Shared) -> Broken {
    let end = match timeout(STOP_TIME_MAX, life.wait()).await {
        Ok(Ok(status)) => format!("the process ended ({status})"),
        Ok(Err(error)) => format!("the process cannot be waited for ({error})"),
        Err(_) => "the process closed its output".to_owned(),
    };
    sleep(SETTLE_TIME).await;
    let words = lock(&shared.errors).last();
    Broken::Crashed(if words.is_empty() { end } else { format!("{end}: {words}") })
}

/// The beginning of the line is enough to recognise it.
const QUOTED_CHARS_MAX: usize = 200;

fn garbage(what: &str, line: &[u8]) -> Broken {
    let line = String::from_utf8_lossy(line).replace(CANARY_KEY, "[key]");
    let line: String = line.trim().chars().take(QUOTED_CHARS_MAX).collect();
    Broken::Garbage(format!("the driver breaks the protocol, {what}: {line}"))
}
