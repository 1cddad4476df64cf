//! What a server tells about its requests: a line each, a report on disk, the sums at the end.
//!
//! The report is one JSON object, written as requests come, so that its size costs no memory and a server that is
//! killed leaves all but the closing brackets. No header and no body goes into it, and credentials are taken out of
//! everything that could echo them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use classify::Request;
use contract::lint::Advice;
use mock::{Answer, Violation};
use serde::Serialize;
use serde_json::{Value, json};
use wire::record::secrets::Secrets;

use super::lines::{Lines, Speaker};
use crate::console::{self, Paint, complain};
use crate::exit::{Exit, Stop};
use crate::reporter::failed;

/// Longer names of models are nobody's, and longer paths no endpoint's.
const TEXT_CHARS_MAX: usize = 200;

/// Everything that is told.
pub(super) struct Account {
    report: Option<Report>,
    paint: Paint,
    speaker: Speaker,
    /// None when quiet.
    lines: Option<Lines>,
    requests: usize,
    by_status: BTreeMap<u16, usize>,
    /// Requests that broke the rule, however often.
    by_rule: BTreeMap<&'static str, usize>,
}

/// A request that was answered.
pub(super) struct Entry<'a> {
    pub(super) request: &'a Request,
    pub(super) answer: &'a Answer,
    pub(super) violations: Vec<Violation>,
    pub(super) model: Option<String>,
    pub(super) lints: Vec<Advice>,
}

#[derive(Serialize)]
struct Row<'a> {
    seq: usize,
    method: &'a str,
    path: &'a str,
    api_version: Option<&'a str>,
    model: Option<&'a str>,
    status: u16,
    error_type: Option<&'static str>,
    error_code: Option<&'static str>,
    violations: &'a [Violation],
    lints: Vec<Lint<'a>>,
}

#[derive(Serialize)]
struct Lint<'a> {
    lint: &'static str,
    message: &'a str,
    remedy: &'a str,
}

impl<'a> Lint<'a> {
    fn of(advice: &'a Advice) -> Self {
        Self { lint: advice.lint, message: &advice.message, remedy: &advice.remedy }
    }
}

impl Account {
    pub(super) fn new(report: Option<&Path>, paint: Paint, is_quiet: bool) -> Result<Self, Stop> {
        let report = match report {
            Some(path) => Some(Report::create(path)?),
            None => None,
        };
        let lines = (!is_quiet).then(Lines::new);
        let (by_status, by_rule) = (BTreeMap::new(), BTreeMap::new());
        let speaker = Speaker::start();
        Ok(Self { report, paint, speaker, lines, requests: 0, by_status, by_rule })
    }

    pub(super) fn begin(&mut self, head: &Value) -> Result<(), Stop> {
        let Some(report) = &mut self.report else { return Ok(()) };
        let head = head.to_string();
        let head = head.trim_end_matches('}');
        report.write(&format!("{head},\"requests\":["));
        report.trouble.clone().map_or(Ok(()), Err)
    }

    /// Whether it matters which model a request names.
    pub(super) fn wants_models(&self) -> bool {
        self.report.is_some()
    }

    pub(super) fn note(&mut self, entry: Entry<'_>) {
        let Entry { request, answer, mut violations, model, lints } = entry;
        let secrets = Secrets::of(&request.headers, &request.target);
        let clean = |text: &str| secrets.scrub(text);
        for violation in &mut violations {
            violation.path = clean(&violation.path);
            violation.message = Cow::Owned(clean(&violation.message));
        }
        self.requests += 1;
        *self.by_status.entry(answer.status).or_default() += 1;
        let broken: BTreeSet<_> = violations.iter().map(|violation| violation.rule).collect();
        for rule in broken {
            *self.by_rule.entry(rule).or_default() += 1;
        }
        let path = short(&clean(request.path()));
        let method = short(&clean(&request.method));
        if let Some(lines) = &mut self.lines {
            lines.say(&self.speaker, line(self.paint, &method, &path, answer));
        }
        let Some(report) = &mut self.report else { return };
        let version =
            request.headers.get("anthropic-version").map(|version| short(&clean(version)));
        let model = model.map(|model| short(&clean(&model)));
        report.row(&Row {
            seq: self.requests,
            method: &method,
            path: &path,
            api_version: version.as_deref(),
            model: model.as_deref(),
            status: answer.status,
            error_type: answer.refused.map(|refused| refused.error_type),
            error_code: answer.refused.and_then(|refused| refused.error_code),
            violations: &violations,
            lints: lints.iter().map(Lint::of).collect(),
        });
    }

    /// The sums, for people.
    fn summary(&self) -> String {
        let statuses = self.by_status.iter();
        let statuses: Vec<_> =
            statuses.map(|(status, n)| format!("{} × {status}", console::thousands(*n))).collect();
        let mut text = console::count(self.requests, "request");
        if !statuses.is_empty() {
            text += &format!(": {}", statuses.join(", "));
        }
        text.push('\n');
        let mut rules: Vec<_> = self.by_rule.iter().collect();
        rules.sort_by_key(|(rule, n)| (usize::MAX - **n, **rule));
        let width = rules.iter().map(|(rule, _)| rule.len()).max().unwrap_or_default();
        for (rule, n) in rules {
            let hint = self.paint.dim(format!("probity explain {rule}"));
            text += &format!("{:>8}  {rule:width$}  {hint}\n", console::thousands(*n));
        }
        text
    }

    /// Closes the report and tells the sums.
    pub(super) fn finish(mut self) -> Result<(), Stop> {
        let closed = self.close();
        let summary = self.summary();
        self.speaker.finish(summary);
        closed
    }

    fn close(&mut self) -> Result<(), Stop> {
        let sums = json!({
            "requests": self.requests,
            "by_status": self.by_status,
            "by_rule": self.by_rule,
        });
        let Some(report) = &mut self.report else { return Ok(()) };
        report.write(&format!("\n],\"summary\":{sums}}}\n"));
        report.trouble.clone().map_or(Ok(()), Err)
    }
}

/// `400 POST /v1/messages tool-result-unpaired`.
fn line(paint: Paint, method: &str, path: &str, answer: &Answer) -> String {
    let status = match answer.status {
        200..300 => paint.green(answer.status),
        500.. => paint.red(answer.status),
        _ => paint.yellow(answer.status),
    };
    let why = answer.refused.map(|refused| refused.rule.unwrap_or(refused.error_type));
    let why = why.map(|why| format!(" {why}")).unwrap_or_default();
    let request = format!(" {method} {path}");
    format!("{status}{}{why}\n", request.trim_end())
}

/// A report that is being written.
struct Report {
    path: PathBuf,
    file: File,
    rows: usize,
    /// The first thing that went wrong; nothing is written after it.
    trouble: Option<Stop>,
}

impl Report {
    fn create(path: &Path) -> Result<Self, Stop> {
        let file = File::create(path).map_err(|error| failed(path, &error))?;
        Ok(Self { path: path.to_owned(), file, rows: 0, trouble: None })
    }

    fn row(&mut self, row: &Row<'_>) {
        let comma = if self.rows == 0 { "" } else { "," };
        self.rows += 1;
        match serde_json::to_string(row) {
            Ok(row) => self.write(&format!("{comma}\n{row}")),
            Err(error) => self.fail(&error.into()),
        }
    }

    /// One write for each row, unbuffered: what was answered is on record, however the process ends.
    fn write(&mut self, text: &str) {
        if self.trouble.is_none()
            && let Err(error) = self.file.write_all(text.as_bytes())
        {
            self.fail(&error);
        }
    }

    /// The server goes on: answers matter more than their record.
    fn fail(&mut self, error: &io::Error) {
        let reason = failed(&self.path, error).reason;
        complain(&format!("probity: {reason}; the report ends here\n"));
        self.trouble = Some(Stop::new(Exit::Internal, reason));
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
