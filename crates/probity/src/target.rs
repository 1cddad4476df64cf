//! A server on trial that is not our own mock: what it has, which cases make sense to it, whose fault a finding is, and
//! what it all comes to.
//!
//! | question | module |
//! |---|---|
//! | what was asked for? | [`plan`] |
//! | what has it? | [`probe`] |
//! | which cases, and naming which model? | [`fit`] |
//! | what reached the server behind it? | [`upstream`] |
//! | does it remember what it was told? | [`chains`] |
//! | which answer shows that a rule is broken? | [`specimen`] |
//! | in what order? | [`conduct`], by way of [`ask`]; [`spread`] where not all are sent |
//! | is it still there? | [`pulse`] |
//! | does it still stand as it did? | [`ledger`] |
//!
//! The answers themselves are judged as those of the mock are; [`contract::conformance`] sums them up.

pub mod ask;
pub mod chains;
pub mod conduct;
pub mod fit;
pub mod ledger;
pub mod plan;
pub mod probe;
pub mod pulse;
pub mod specimen;
pub mod spread;
pub mod upstream;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use classify::{Body, Class, Observation};
use contract::case::{Case, CaseId, Origin};
use contract::conformance::altered::altered;
use contract::conformance::blame::{Behind, Exchange, attribute};
use contract::conformance::feature::{self, Feature, Features};
use contract::conformance::probe::Support;
use contract::conformance::profile::Profile;
use contract::conformance::standing::{self, LevelStanding, Note, Row};
use contract::judge::{Blame, Finding, Record, Verdict};
use contract::level::Level;
use contract::spec::Contract;
use contract::version::Version;

use self::ask::Asker;
use self::fit::Fit;
pub use self::plan::Plan;
use self::pulse::Gone;
use self::specimen::Specimens;
use self::upstream::Upstream;

/// Exchanges shown as evidence; the rest can be had again by its case id.
const EVIDENCE_MAX: usize = 50;
/// Streams kept for twins: more would say the same, at two to four requests each.
const STREAMING_MAX: usize = 24;
/// Of a body, shown as evidence: enough for any request that a probe or a small draw makes.
const EVIDENCE_BYTES_MAX: usize = 4 * 1024;

/// What is known of the target itself, beside its features.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Facts {
    /// Of the contract's models, those that it serves.
    pub models_served: Vec<String>,
    pub models_refused: Vec<String>,
    /// What it lists itself, at most [`probe::LISTED_MAX`].
    pub models_listed: Vec<String>,
    /// The name that cases have in place of their own.
    pub model: Option<String>,
    pub stands_for: Option<String>,
    /// Whether two requests alike get answers alike; `None` if that could not be seen.
    pub is_deterministic: Option<bool>,
    /// Whether a version that never was is refused.
    pub checks_versions: Option<bool>,
}

/// What was sent and said, on both sides of a gateway.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Evidence {
    pub rule: &'static str,
    pub case: String,
    pub blame: Blame,
    pub trace: String,
    pub sent: String,
    pub answered: String,
    pub upstream_got: String,
    pub upstream_said: String,
}

/// Streams compared with plain answers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TwinsTold {
    pub compared: usize,
    pub differ: usize,
    pub not_comparable: Option<String>,
}

/// Everything that is to tell about a target: what renderers get.
#[derive(Clone, Debug)]
pub struct Conformance {
    pub profile: Profile,
    pub profile_path: Option<PathBuf>,
    /// The level that was asked for.
    pub level: Level,
    pub facts: Facts,
    /// What the probe found, in the order of the features.
    pub features: Vec<(Feature, Support)>,
    pub rows: Vec<Row>,
    /// Weakest first.
    pub levels: Vec<LevelStanding>,
    pub twins: Option<TwinsTold>,
    /// Declarations that are not true.
    pub stale: Vec<String>,
    pub evidence: Vec<Evidence>,
    pub specimens: Specimens,
    pub upstream: Option<SocketAddr>,
    /// How it went, if it did not stay.
    pub gone: Option<Gone>,
    /// How it compares with the ledger, if there is to be one.
    pub ledger: Option<ledger::Compared>,
}

impl Conformance {
    /// The standing to the level that was asked for.
    pub fn asked(&self) -> Option<&LevelStanding> {
        self.levels.iter().find(|standing| standing.level == self.level)
    }
}

/// A target while it is examined.
pub struct Examination<'a> {
    contract: &'a Contract,
    plan: &'a Plan,
    pub fit: Arc<Fit>,
    facts: Facts,
    probed: Vec<(Feature, Support)>,
    absent: Features,
    upstream: Option<Upstream>,
    notes: Vec<Note>,
    evidence: Vec<Evidence>,
    specimens: Specimens,
    /// The way to the target for what comes after the cases.
    asker: Option<Asker>,
    /// Cases whose stream was as it must be, and their records: of these a twin is asked for.
    streaming: Vec<(Case, Record)>,
    pub gone: Option<Gone>,
    twins: Option<TwinsTold>,
}

impl<'a> Examination<'a> {
    pub fn new(
        contract: &'a Arc<Contract>,
        plan: &'a Plan,
        found: probe::Found,
        upstream: Option<Upstream>,
        asker: Asker,
    ) -> Self {
        let probe::Found { facts, mut probed, .. } = found;
        declare(&plan.profile, &mut probed);
        let absent = probed.iter().filter(|(_, support)| support.is_absent());
        let absent: Features = absent.map(|(feature, _)| *feature).collect();
        let off = off(&plan.profile, &probed);
        let gone_or_off = (missing(&probed), off);
        let fit = Arc::new(Fit::new(contract, &facts, gone_or_off, upstream.is_some()));
        Self {
            contract,
            plan,
            fit,
            facts,
            probed,
            absent,
            upstream,
            notes: Vec::new(),
            evidence: Vec::new(),
            specimens: Specimens::default(),
            asker: Some(asker),
            streaming: Vec::new(),
            gone: None,
            twins: None,
        }
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether what reaches the upstream has to be told apart by time.
    pub fn is_one_at_a_time(&self) -> bool {
        self.upstream.is_some()
    }

    pub fn has(&self, feature: Feature) -> bool {
        !self.absent.has(feature)
    }

    /// The model that a request of our own names.
    pub fn model(&self) -> String {
        let served = self.facts.models_served.first().cloned();
        self.facts.model.clone().or(served).unwrap_or_else(|| probe::usual_model(self.contract))
    }

    /// The version that a request of our own names.
    pub fn version(&self) -> Version {
        let newest_first = Version::ALL.into_iter().rev();
        let works = |version: &Version| self.has(Feature::of_version(*version));
        newest_first.into_iter().find(works).unwrap_or(Version::ALL[0])
    }

    /// Says of a judged case whose fault its findings are, and excuses what was declared. Of a case that was answered
    /// in an earlier run it is not known what reached the upstream.
    pub fn settle(
        &mut self,
        case: &Case,
        observation: &Observation,
        record: &mut Record,
        is_sent: bool,
    ) {
        let exchanges = self.upstream.as_ref().filter(|_| is_sent).map(Upstream::take);
        let behind = exchanges.as_deref().map_or(Behind::Unknown, Behind::Upstream);
        attribute(self.contract, case, record, behind);
        let last = exchanges.as_deref().and_then(<[Exchange]>::last);
        // The first is what the request became; a gateway that asks again may have its reasons.
        let first = exchanges.as_deref().and_then(<[Exchange]>::first);
        if let Some(first) = first.filter(|_| standing::expects_success(record)) {
            record.findings.extend(altered(&case.request, &first.request));
        }
        if let Some(last) = last {
            self.keep(case, observation, record, last);
        }
        let note = standing::note(case, observation, record, self.absent);
        standing::excuse(record, note, &self.plan.profile);
        self.specimens.note(case, Some(observation), record, note.features, last);
        self.notes.push(note);
        let has_twin = case.traits.stream && matches!(case.origin, Origin::Valid);
        if has_twin && record.class == Class::Streamed && self.streaming.len() < STREAMING_MAX {
            self.streaming.push((case.clone(), record.clone()));
        }
    }

    /// The record of a case whose stream and plain answer differ.
    fn settle_twin(&mut self, case: &Case, record: &Record, mut finding: Finding) -> Record {
        if self.upstream.is_some() {
            // Our own mock says the same either way, which a test of its own holds.
            finding.blame = Blame::Gateway;
        }
        let mut record = record.clone();
        record.id = CaseId(record.id.0.replacen("/valid/", "/twin/", 1));
        record.findings = vec![finding];
        record.verdict = Verdict::Drift;
        let note = Note {
            features: feature::of(case.version, case.operation, &case.request),
            denied: None,
        };
        standing::excuse(&mut record, note, &self.plan.profile);
        self.specimens.note(case, None, &record, note.features, None);
        self.notes.push(note);
        record
    }

    fn keep(&mut self, case: &Case, observation: &Observation, record: &Record, last: &Exchange) {
        for finding in &record.findings {
            let is_known = self.evidence.iter().any(|kept| {
                kept.rule == finding.rule
                    && kept.blame == finding.blame
                    && kept.trace == finding.trace
            });
            if is_known || self.evidence.len() == EVIDENCE_MAX {
                continue;
            }
            self.evidence.push(Evidence {
                rule: finding.rule,
                case: case.id.0.clone(),
                blame: finding.blame,
                trace: finding.trace.to_string(),
                sent: body_text(&case.request.body),
                answered: answer_text(observation),
                upstream_got: body_text(&last.request.body),
                upstream_said: format!("{} {}", last.reply.status, text(&last.reply.body)),
            });
        }
    }

    /// The sum of it all. `records` are those that were settled, in that order.
    pub fn conclude(self, records: &[Record], is_complete: bool) -> Conformance {
        let sightings: Vec<_> = records.iter().zip(self.notes.iter().copied()).collect();
        let mut rows = standing::rows(&sightings, &self.probed, &self.plan.profile);
        if let Some(gone) = &self.gone {
            rows.push(standing::ended(gone.suspects.clone(), gone.text()));
        }
        let stale = if is_complete {
            standing::stale(&self.plan.profile, &sightings, &self.probed)
        } else {
            Vec::new()
        };
        Conformance {
            profile: self.plan.profile.clone(),
            profile_path: self.plan.profile_path.clone(),
            level: self.plan.level(),
            facts: self.facts,
            features: self.probed,
            levels: standing::levels(&rows),
            rows,
            twins: self.twins,
            stale,
            evidence: self.evidence,
            specimens: self.specimens,
            upstream: self.upstream.map(|upstream| upstream.address()),
            gone: self.gone,
            ledger: None,
        }
    }
}

/// What is broken and was said to be: its author calls it unsupported, and so does the report.
fn declare(profile: &Profile, probed: &mut [(Feature, Support)]) {
    for (feature, support) in probed {
        let is_declared = profile.leaves_out([*feature].into_iter().collect()).is_some();
        if let Support::Broken(words) = support
            && is_declared
        {
            *support = Support::Declared(std::mem::take(words));
        }
    }
}

/// What there is no path for.
fn missing(probed: &[(Feature, Support)]) -> Features {
    let missing = probed.iter().filter(|(_, support)| matches!(support, Support::Missing(_)));
    missing.map(|(feature, _)| *feature).collect()
}

/// What a handful of cases says everything about: broken, or declared unsupported by the target or its author. Where
/// not even the plainest message is served, everything is worth a look.
fn off(profile: &Profile, probed: &[(Feature, Support)]) -> Features {
    let is_off = |(feature, support): &&(Feature, Support)| {
        support.is_absent()
            || matches!(support, Support::Broken(_))
            || profile.leaves_out([*feature].into_iter().collect()).is_some()
    };
    let found = probed.iter().filter(is_off).map(|(feature, _)| *feature);
    let off: Features = found.collect();
    if off.has(Feature::Messages) { Features::default() } else { off }
}

/// The rules that some row is about, for words in front of counts.
pub fn count_of(rows: &[Row], standing: standing::Standing) -> usize {
    rows.iter()
        .filter(|row| row.standing == standing)
        .map(|row| &row.id)
        .collect::<BTreeSet<_>>()
        .len()
}

fn body_text(body: &Body) -> String {
    match body {
        Body::Empty => String::new(),
        Body::Bytes(bytes) => text(bytes),
        Body::Repeat { .. } => format!("{} bytes", body.len()),
    }
}

fn answer_text(observation: &Observation) -> String {
    match observation {
        Observation::Reply(reply) => format!("{} {}", reply.status, text(&reply.body)),
        Observation::Cut(cut) => format!("cut: {:?}", cut.kind),
        Observation::Unsendable(why) => why.clone(),
    }
}

fn text(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(EVIDENCE_BYTES_MAX)];
    let more = if shown.len() < bytes.len() { "…" } else { "" };
    String::from_utf8_lossy(shown).into_owned() + more
}
