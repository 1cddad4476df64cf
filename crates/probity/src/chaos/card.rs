//! The scorecard: what every trial of one client came to.

use std::collections::BTreeMap;

use chaos::oracle::Verdict;
use chaos::scenario::Severity;
use chaos::{Surface, TrialReport};
use serde::Serialize;

/// Whose scorecard it is.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Client {
    pub name: String,
    pub version: String,
    pub language: String,
    /// What it ran on, if the driver says so.
    pub runtime: Option<String>,
    /// The flags that put it on trial again; nothing for the reference client and for subjects in process.
    #[serde(skip)]
    pub asked_as: Option<String>,
}

/// How much of the catalogue is played, and at what length.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// One scenario for each thing that can go wrong on a wire: seconds.
    Smoke,
    /// Everything; a wait that the server demanded is believed after five seconds of silence.
    #[default]
    Default,
    /// Everything at full length, slow scenarios too.
    Full,
}

impl Profile {
    pub fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Default => "default",
            Self::Full => "full",
        }
    }
}

/// Every trial of one client, in the order of severity, scenario and surface.
#[derive(Clone, Debug)]
pub struct Scorecard {
    pub client: Client,
    pub profile: Profile,
    pub results: Vec<TrialReport>,
    /// Expected failures of this client that did not fail.
    pub stale: Vec<String>,
    /// Whether every scenario of the profile was played on every surface that the client has.
    pub is_whole: bool,
    pub elapsed_ms: u64,
}

/// How many trials there are of each verdict. A failure that is known and expected counts as excused and nothing else.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counts {
    pub pass: usize,
    pub fail: usize,
    pub excused: usize,
    pub warn: usize,
    pub info: usize,
    pub skip: usize,
    pub inconclusive: usize,
    pub harness_error: usize,
}

impl Counts {
    pub fn of<'a>(reports: impl IntoIterator<Item = &'a TrialReport>) -> Self {
        let mut counts = Self::default();
        for report in reports {
            counts.add(report);
        }
        counts
    }

    pub fn add(&mut self, report: &TrialReport) {
        *self.of_verdict(report) += 1;
    }

    fn of_verdict(&mut self, report: &TrialReport) -> &mut usize {
        match report.verdict {
            Verdict::Fail if report.excuse.is_some() => &mut self.excused,
            Verdict::Fail => &mut self.fail,
            Verdict::HarnessError => &mut self.harness_error,
            Verdict::Inconclusive => &mut self.inconclusive,
            Verdict::Info => &mut self.info,
            Verdict::Pass => &mut self.pass,
            Verdict::Skip => &mut self.skip,
            Verdict::Warn => &mut self.warn,
        }
    }

    /// Name and number of what there is, as people read it, the worst first.
    pub fn named(self) -> Vec<(&'static str, usize)> {
        let all = [
            ("fail", self.fail),
            ("harness-error", self.harness_error),
            ("known", self.excused),
            ("warn", self.warn),
            ("info", self.info),
            ("inconclusive", self.inconclusive),
            ("skip", self.skip),
            ("pass", self.pass),
        ];
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// Trials that say something about the client.
    pub fn judged(self) -> usize {
        self.pass + self.fail + self.excused + self.warn + self.info
    }
}

impl Scorecard {
    pub fn counts(&self) -> Counts {
        Counts::of(&self.results)
    }

    /// Scenario by scenario, the gravest first, with the trial on each surface.
    pub fn by_severity(
        &self,
    ) -> BTreeMap<Severity, BTreeMap<&str, BTreeMap<Surface, &TrialReport>>> {
        let mut rows: BTreeMap<_, BTreeMap<_, BTreeMap<_, _>>> = BTreeMap::new();
        for report in &self.results {
            let row = rows.entry(report.severity).or_default();
            row.entry(&*report.scenario).or_default().insert(report.surface, report);
        }
        rows
    }

    /// Failures that nobody expected.
    pub fn failures(&self) -> impl Iterator<Item = &TrialReport> {
        let unexpected =
            |report: &&TrialReport| report.verdict == Verdict::Fail && report.excuse.is_none();
        self.results.iter().filter(unexpected)
    }

    /// The command that plays this one again.
    pub fn command(&self, report: &TrialReport) -> String {
        let client = match &self.client.asked_as {
            Some(flags) => format!(" {flags}"),
            None => String::new(),
        };
        let profile = match self.profile {
            Profile::Full => " --profile full",
            Profile::Default | Profile::Smoke => "",
        };
        format!(
            "probity chaos{client}{profile} --scenario {} --surface {}",
            report.scenario,
            report.surface.name()
        )
    }
}

/// What decided a trial, in one line.
pub fn cause(report: &TrialReport) -> String {
    let decided = report.findings.iter().find(|finding| Some(finding.code) == report.finding);
    match (decided, &report.reason) {
        // What could not be judged besides is no part of the cause; why a judgement is doubtful is.
        (Some(finding), Some(reason)) if report.verdict == Verdict::Inconclusive => {
            format!("{}: {} ({reason})", finding.code, finding.detail)
        }
        (Some(finding), _) => format!("{}: {}", finding.code, finding.detail),
        (None, reason) => reason.clone().unwrap_or_default(),
    }
}

/// How much harm a client of this severity does, for headings.
pub fn harm(severity: Severity) -> &'static str {
    match severity {
        Severity::S0 => "wrong data is acted on, or a credential is exposed",
        Severity::S1 => "a hang, or a failure taken for a success",
        Severity::S2 => "a breach of retry policy, or an error nobody can act on",
        Severity::S3 => "poor diagnostics",
    }
}
