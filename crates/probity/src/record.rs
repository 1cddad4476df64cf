//! The `record` verb: a recording reverse proxy, until it is interrupted.
//!
//! Every exchange is on the disk when it has ended: a line of NDJSON, and an archive that is whole again after each
//! entry. A process that is killed loses the exchanges that were running, and nothing else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::sleep;
use wire::record::exchange::{End, Exchange, Head, write_line};
use wire::record::har::Har;
use wire::record::{Keep, rfc3339, start};
use wire::target::{Key, Target, TargetError};

use crate::cli::RecordArgs;
use crate::config::Config;
use crate::console::{Paint, complain, count, say, thousands};
use crate::exit::{Exit, Stop};
use crate::live::way::Way;
use crate::reporter::failed;
use crate::serve::lines::{Lines, Speaker};
use crate::settings;

/// Connections are dropped at once, and each writes down what it has.
const DRAIN_TIME: Duration = Duration::from_millis(100);

/// The verb.
pub fn record(args: &RecordArgs) -> Result<Exit, Stop> {
    if !args.listen.ip().is_loopback() {
        return Err(Stop::usage(format!(
            "--listen {}: only loopback addresses are served, such as 127.0.0.1:4011: who reaches the recorder reaches \
             the target with it",
            args.listen
        )));
    }
    settings::runtime()?.block_on(run(args))
}

async fn run(args: &RecordArgs) -> Result<Exit, Stop> {
    let target = target(args).await?;
    let base_url = target.base_url().to_owned();
    let mut tapes = Vec::new();
    for path in &args.out {
        tapes.push((path.clone(), Tape::begin(path, &base_url)?));
    }
    let desk = Arc::new(Mutex::new(Some(Desk {
        tapes,
        paint: Paint::decide(args.color),
        speaker: Speaker::start(),
        lines: (!args.quiet).then(Lines::new),
        exchanges: 0,
        by_status: BTreeMap::new(),
        unanswered: 0,
        unseen: 0,
        trouble: None,
    })));
    let keep: Keep = {
        let desk = Arc::clone(&desk);
        Arc::new(move |exchange| {
            if let Some(desk) = lock(&desk).as_mut() {
                desk.note(exchange);
            }
        })
    };
    // Before the port opens: an interrupt that comes at once must find somebody listening.
    let interrupted = crate::serve::interrupt()?;
    let recorder = start(args.listen, target, keep)
        .await
        .map_err(|error| Stop::usage(format!("failed to listen on {}: {error}", args.listen)))?;
    say(&format!(
        "probity record: http://{0} -> {base_url} (set ANTHROPIC_BASE_URL=http://{0}; Ctrl-C ends)\n",
        recorder.address
    ));
    interrupted.await;
    // What is still running ends here, and is written down as such.
    drop(recorder);
    sleep(DRAIN_TIME).await;
    let desk = lock(&desk).take();
    let Some(mut desk) = desk else { return Ok(Exit::Clean) };
    let (trouble, summary) = (desk.trouble.take(), desk.summary(args));
    desk.speaker.finish(summary);
    trouble.map_or(Ok(Exit::Clean), Err)
}

async fn target(args: &RecordArgs) -> Result<Target, Stop> {
    let reach = Way::new(args.live, &args.way, &Config::default()).reach()?;
    // The client brings its own key.
    let key = Key::new(String::new());
    Target::resolve(&args.target, key, &reach).await.map_err(|error| match error {
        TargetError::Unresolved { .. } => Stop::new(Exit::NotChecked, format!("failed to {error}")),
        error => Stop::usage(format!("failed to {error}")),
    })
}

/// A file that is being recorded to.
enum Tape {
    Har(Har<File>),
    Lines(File),
}

impl Tape {
    fn begin(path: &Path, base_url: &str) -> Result<Self, Stop> {
        let create = || File::create(path).map_err(|error| failed(path, &error));
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("har") => {
                let har = Har::begin(create()?, base_url).map_err(|error| failed(path, &error))?;
                Ok(Self::Har(har))
            }
            Some("jsonl" | "ndjson") => {
                let mut file = create()?;
                let head = Head::new(base_url, rfc3339(SystemTime::now()));
                write_line(&mut file, &head).map_err(|error| failed(path, &error))?;
                Ok(Self::Lines(file))
            }
            _ => Err(Stop::usage(format!(
                "--out {}: expected FILE.ndjson or FILE.har",
                path.display()
            ))),
        }
    }

    fn write(&mut self, exchange: &Exchange) -> io::Result<()> {
        match self {
            Self::Har(har) => har.write(exchange),
            Self::Lines(file) => write_line(file, exchange),
        }
    }
}

/// Where exchanges arrive.
struct Desk {
    tapes: Vec<(PathBuf, Tape)>,
    paint: Paint,
    speaker: Speaker,
    /// None when quiet.
    lines: Option<Lines>,
    exchanges: usize,
    by_status: BTreeMap<u16, usize>,
    unanswered: usize,
    /// Bodies that are not in the recording.
    unseen: usize,
    /// The first thing that went wrong; nothing is written after it.
    trouble: Option<Stop>,
}

impl Desk {
    fn note(&mut self, exchange: &Exchange) {
        self.exchanges += 1;
        match &exchange.answer {
            Some(answer) => *self.by_status.entry(answer.status).or_default() += 1,
            None => self.unanswered += 1,
        }
        let bodies = exchange.answer.iter().map(|answer| &answer.body);
        let bodies = bodies.chain([&exchange.request.body]);
        self.unseen += bodies.filter(|body| body.unseen.is_some()).count();
        if let Some(lines) = &mut self.lines {
            lines.say(&self.speaker, line(self.paint, exchange));
        }
        if self.trouble.is_some() {
            return;
        }
        for (path, tape) in &mut self.tapes {
            if let Err(error) = tape.write(exchange) {
                let reason = failed(path, &error).reason;
                // The proxy goes on: whoever is being recorded should not fail with the disk.
                complain(&format!("probity: {reason}; the recording ends here\n"));
                self.trouble = Some(Stop::new(Exit::Internal, reason));
                return;
            }
        }
    }

    fn summary(&self, args: &RecordArgs) -> String {
        let mut parts: Vec<_> = self
            .by_status
            .iter()
            .map(|(status, times)| format!("{} × {status}", thousands(*times)))
            .collect();
        if self.unanswered > 0 {
            parts.push(format!("{} without an answer", thousands(self.unanswered)));
        }
        let parts =
            if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
        let unseen = match self.unseen {
            0 => String::new(),
            unseen => format!(
                "left out: the bodies of {}, packed in a way that could not be looked into\n",
                count(unseen, "message")
            ),
        };
        let files: Vec<_> = args.out.iter().map(|path| path.display().to_string()).collect();
        format!(
            "{}{parts}\n{unseen}written to {}; judge them with `probity check {}`\n",
            count(self.exchanges, "exchange"),
            files.join(" and "),
            files.first().map_or("FILE", String::as_str)
        )
    }
}

/// `200 POST /v1/messages 1,204 ms, 37 chunks`.
fn line(paint: Paint, exchange: &Exchange) -> String {
    let Exchange { request, answer, elapsed_ms, end, .. } = exchange;
    let path = request.target.split('?').next().unwrap_or_default();
    let status = match answer.as_ref().map(|answer| answer.status) {
        None => paint.red("---"),
        Some(status @ 200..300) => paint.green(status),
        Some(status @ 500..) => paint.red(status),
        Some(status) => paint.yellow(status),
    };
    let chunks = answer.as_ref().map_or(0, |answer| answer.chunks.len());
    let chunks = if chunks > 1 { format!(", {}", count(chunks, "chunk")) } else { String::new() };
    let ended = match end {
        End::Complete => "",
        End::ClientLeft => ", the client left",
        End::Interrupted => ", the recording ended",
        End::Lost(_) => ", the target broke off",
    };
    format!("{status} {} {path} {elapsed_ms} ms{chunks}{ended}\n", request.method)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
