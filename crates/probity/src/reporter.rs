//! Takes a run up as it goes: streams results and journal, groups what is wrong, tells the phases.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use classify::Observation;
use contract::case::Case;
use contract::judge::Record;
use indicatif::ProgressBar;
use wire::journal::Journal;
use wire::journal::beside::Beside;
use wire::target::Key;

use crate::cli::{Format, Report, ReportKind};
use crate::console::{self, say};
use crate::embedded;
use crate::exit::{Exit, Stop};
use crate::findings::Groups;
use crate::report::human::Page;
use crate::report::{human, json};
use crate::resume;
use crate::run::{Order, Watch};
use crate::settings::Settings;

/// Takes everything up as it comes.
pub(crate) struct Reporter {
    page: Page,
    /// Whether phases are told as they pass.
    pub(crate) is_talking: bool,
    has_timings: bool,
    pub(crate) bar: ProgressBar,
    pub(crate) groups: Groups,
    base_url: Option<String>,
    pub(crate) key: Key,
    pub(crate) writers: Vec<json::Writer>,
    pub(crate) journal: Option<Journal<File>>,
    /// The first thing that could not be written.
    pub(crate) trouble: Option<Stop>,
}

impl Reporter {
    pub(crate) fn begin(page: Page, settings: &Settings, order: &Order<'_>) -> Result<Self, Stop> {
        let key = order
            .target
            .as_ref()
            .map_or_else(|| Key::new(embedded::KEY.to_owned()), |target| target.key.clone());
        let mut writers = Vec::new();
        let begin = |out: Box<dyn Write>, shape| {
            json::Writer::begin(out, shape, key.clone())
                .map_err(|error| failed(Path::new("standard output"), &error))
        };
        match settings.format {
            Format::Human => {}
            Format::Json => {
                writers.push(begin(Box::new(BufWriter::new(io::stdout())), json::Shape::Object)?)
            }
            Format::Ndjson => {
                writers.push(begin(Box::new(BufWriter::new(io::stdout())), json::Shape::Lines)?)
            }
        }
        for Report { kind, path } in &settings.reports {
            let shape = match kind {
                ReportKind::Json => json::Shape::Object,
                ReportKind::Ndjson => json::Shape::Lines,
                ReportKind::Badge | ReportKind::Html | ReportKind::Junit | ReportKind::Markdown => {
                    continue;
                }
            };
            writers.push(begin(Box::new(create(path)?), shape)?);
        }
        let journal = match &settings.journal {
            Some(path) => Some(resume::journal(path, settings, order, &key)?),
            None => None,
        };
        let is_talking = settings.format == Format::Human && !settings.quiet;
        let bar = if is_talking && console::is_watched() {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        Ok(Self {
            page,
            is_talking,
            has_timings: settings.timings,
            bar,
            groups: Groups::default(),
            base_url: order.target.as_ref().map(|target| target.base_url().to_owned()),
            key,
            writers,
            journal,
            trouble: None,
        })
    }

    fn rows(&mut self, case: Option<&Case>, record: &Record) -> io::Result<()> {
        let base_url = self.base_url.as_deref();
        self.writers.iter_mut().try_for_each(|writer| writer.row(case, record, base_url))
    }

    fn journal(&mut self, write: impl FnOnce(&mut Journal<File>) -> io::Result<()>) {
        let Some(journal) = &mut self.journal else { return };
        let written = write(journal);
        if written.is_err() {
            // What follows half a line would be lost with it.
            self.journal = None;
        }
        self.keep("the journal", written);
    }

    /// Keeps the first thing that could not be written; what comes after it is most likely the same.
    fn keep(&mut self, what: &str, written: io::Result<()>) {
        if let (None, Err(error)) = (&self.trouble, written) {
            self.trouble =
                Some(Stop::new(Exit::Internal, format!("failed to write {what}: {error}")));
        }
    }
}

impl Watch for Reporter {
    fn sent(&mut self, case: &Case, observation: &Observation, record: &Record) {
        self.journal(|journal| journal.write(&case.id, &case.request, observation, record));
    }

    fn stepped(&mut self, case: &Case, observation: &Observation, record: &Record) {
        self.journal(|journal| journal.write_step(&case.id, &case.request, observation, record));
    }

    fn learned(&mut self, beside: &Beside) {
        self.journal(|journal| journal.write_beside(beside));
    }

    fn judged(&mut self, case: Option<&Case>, record: &Record) {
        self.groups.note(case, record, self.base_url.as_deref());
        if self.trouble.is_none() {
            let written = self.rows(case, record);
            self.keep("a report", written);
        }
        self.bar.inc(1);
        if self.bar.position().is_multiple_of(100) {
            self.bar.set_message(format!(
                "{} cases",
                console::thousands(usize::try_from(self.bar.position()).unwrap_or(0))
            ));
        }
    }

    fn passed(&mut self, phase: &'static str, what: &str, elapsed: Duration) {
        if self.is_talking {
            let text = human::phase(self.page, phase, what, self.has_timings.then_some(elapsed));
            self.bar.suspend(|| say(&text));
        }
    }
}

pub(crate) fn create(path: &Path) -> Result<BufWriter<File>, Stop> {
    File::create(path).map(BufWriter::new).map_err(|error| failed(path, &error))
}

pub(crate) fn failed(path: &Path, error: &io::Error) -> Stop {
    Stop::usage(format!("failed to write {}: {error}", path.display()))
}
