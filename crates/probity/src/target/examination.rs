//! A target while it is examined: what is known of it, what its cases came to, and the sum of it all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use classify::{Class, Observation};
use contract::case::{Case, CaseId};
use contract::conformance::altered::{altered, answer};
use contract::conformance::blame::{Behind, Exchange, attribute};
use contract::conformance::feature::{self, Feature, Features};
use contract::conformance::probe::Support;
use contract::conformance::profile::Profile;
use contract::conformance::standing::{self, ESSENTIAL, Note, Row, Standing};
use contract::exceptions::Exceptions;
use contract::judge::{Blame, Finding, Record, Verdict};
use contract::spec::Contract;
use contract::version::Version;
use wire::target::Key;

use super::ask::Asker;
use super::evidence::Kept;
use super::fit::Fit;
use super::odd::Oddities;
use super::pulse::Gone;
use super::specimen::Specimens;
use super::upstream::Upstream;
use super::{Conformance, Facts, Plan, TwinsTold, kept, probe};
use crate::exit::Stop;
use crate::run::{DEADLINE_MS, Recalled};
use crate::twins;

/// A target while it is examined.
pub struct Examination<'a> {
    contract: &'a Contract,
    plan: &'a Plan,
    pub fit: Arc<Fit>,
    facts: Facts,
    probed: Vec<(Feature, Support)>,
    absent: Features,
    upstream: Option<Upstream>,
    /// Where our mock stands behind the target, or stood.
    behind: Option<SocketAddr>,
    notes: Vec<Note>,
    evidence: Kept,
    specimens: Specimens,
    oddities: Oddities,
    /// What must not be told.
    key: Key,
    /// The way to the target for what comes after the cases.
    pub(super) asker: Option<Asker>,
    is_recalled: bool,
    /// Cases whose stream was as it must be, and their records: of these a twin is asked for.
    pub(super) streaming: Vec<(Case, Record)>,
    pub gone: Option<Gone>,
    pub(super) twins: Option<TwinsTold>,
}

impl<'a> Examination<'a> {
    /// Without an asker nothing is asked for: it is as an earlier run left it.
    pub fn new(
        contract: &'a Arc<Contract>,
        plan: &'a Plan,
        (facts, mut probed): (Facts, Vec<(Feature, Support)>),
        behind: Option<SocketAddr>,
        key: Key,
        asker: Option<Asker>,
    ) -> Self {
        declare(&plan.profile, &mut probed);
        let absent = probed.iter().filter(|(_, support)| support.is_absent());
        let absent: Features = absent.map(|(feature, _)| *feature).collect();
        let off = off(&plan.profile, &probed);
        let gone_or_off = (missing(&probed), off);
        let fit = Arc::new(Fit::new(contract, &facts, gone_or_off, behind.is_some()));
        Self {
            contract,
            plan,
            fit,
            facts,
            probed,
            absent,
            upstream: None,
            behind,
            notes: Vec::new(),
            evidence: Kept::default(),
            specimens: Specimens::default(),
            oddities: Oddities::default(),
            key,
            is_recalled: asker.is_none(),
            asker,
            streaming: Vec::new(),
            gone: None,
            twins: None,
        }
    }

    /// The same with our mock behind the target, which says what reached it.
    pub fn with_upstream(self, upstream: Option<Upstream>) -> Self {
        Self { upstream, ..self }
    }

    /// What a case may take.
    pub fn deadline_ms(&self) -> u64 {
        let patience = self.asker.as_ref().map(|asker| asker.patience().as_millis());
        patience.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(DEADLINE_MS)
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
        exceptions: &mut Exceptions,
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
        if let Some(behind) = exchanges.as_deref() {
            let is_valid = standing::expects_success(record);
            record.findings.extend(answer::altered(case, is_valid, observation, behind));
        }
        if let Some(last) = last {
            self.evidence.keep(&self.key, case, observation, record, last);
        }
        let note = standing::note(self.contract, case, observation, record, self.absent);
        standing::excuse(record, note, &self.plan.profile);
        exceptions.excuse(record);
        self.take_up(case, observation, record, note, last);
    }

    /// Takes up a record that an earlier run has settled, or settles one that was judged just now.
    pub fn take(
        &mut self,
        case: &Case,
        recalled: &mut Recalled,
        exceptions: &mut Exceptions,
    ) -> Result<(), Stop> {
        let Recalled { observation, record, judged, is_settled, is_new } = recalled;
        // Without its answer nothing can be said of it but the verdict.
        let Some(observation) = observation else { return Ok(()) };
        if *is_settled {
            let note = standing::note(self.contract, case, observation, record, self.absent);
            self.take_up(case, observation, record, note, None);
            return Ok(());
        }
        if let Some(judged) = judged.as_ref().filter(|_| self.behind.is_some()) {
            kept::carry(judged, &mut record.findings)
                .map_err(|why| Stop::usage(format!("failed to read {} back: {why}", case.id)))?;
        }
        self.settle(case, observation, record, *is_new, exceptions);
        Ok(())
    }

    fn take_up(
        &mut self,
        case: &Case,
        observation: &Observation,
        record: &Record,
        note: Note,
        last: Option<&Exchange>,
    ) {
        self.specimens.note(case, Some(observation), record, note.features, last);
        self.oddities.note(&self.key, case, observation);
        self.notes.push(note);
        let is_twin = twins::has_twin(case) && record.class == Class::Streamed;
        if is_twin && self.streaming.len() < twins::CASES_MAX {
            self.streaming.push((case.clone(), record.clone()));
        }
    }

    /// The record of a case whose stream and plain answer differ.
    pub(super) fn settle_twin(
        &mut self,
        case: &Case,
        record: &Record,
        mut finding: Finding,
    ) -> Record {
        if self.behind.is_some() {
            // Our own mock says the same either way, which a test of its own holds.
            finding.blame = Blame::Gateway;
        }
        let mut record = record.clone();
        record.id = CaseId(record.id.0.replacen("/valid/", "/twin/", 1));
        record.findings = vec![finding];
        record.verdict = Verdict::Drift;
        let note = Note {
            features: feature::of(case.version, case.operation, &case.request),
            ..Note::default()
        };
        standing::excuse(&mut record, note, &self.plan.profile);
        self.specimens.note(case, None, &record, note.features, None);
        self.notes.push(note);
        record
    }

    /// The sum of it all. `records` are those that were settled, in that order.
    pub fn conclude(self, records: &[Record], is_complete: bool) -> Conformance {
        let sightings: Vec<_> = records.iter().zip(self.notes.iter().copied()).collect();
        let mut rows = standing::rows(&sightings, &self.probed, &self.plan.profile);
        set_twins(&mut rows, self.twins.as_ref());
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
            levels: standing::levels(&rows, &self.plan.profile),
            rows,
            twins: self.twins,
            stale,
            evidence: self.evidence.0,
            specimens: self.specimens,
            oddities: self.oddities.listed(),
            upstream: self.behind,
            is_recalled: self.is_recalled,
            gone: self.gone,
            ledger: None,
        }
    }
}

/// The row of what is compared beside the cases: streams and plain answers. What differs was counted with the others.
fn set_twins(rows: &mut Vec<Row>, twins: Option<&TwinsTold>) {
    let at = rows.binary_search_by(|row| (*row.id).cmp(twins::RULE));
    let compared = twins.map_or(0, |twins| twins.compared);
    match at {
        Ok(at) => rows[at].cases = compared,
        Err(at) => rows.insert(
            at,
            Row {
                id: twins::RULE.to_owned(),
                standing: if compared > 0 { Standing::Conformant } else { Standing::Untested },
                level: None,
                cases: compared,
                wrong: 0,
                declared: 0,
                unclear: 0,
                why: twins.and_then(|twins| twins.not_comparable.clone()),
                examples: Vec::new(),
                blames: BTreeMap::new(),
            },
        ),
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

/// What a handful of cases says everything about: broken, or declared unsupported by the target or its author. What no
/// agent can do without may be broken in one of its many shapes, which a handful might miss; and where not even the
/// plainest message is served, everything is worth a look.
fn off(profile: &Profile, probed: &[(Feature, Support)]) -> Features {
    let is_off = |(feature, support): &&(Feature, Support)| {
        support.is_absent()
            || matches!(support, Support::Broken(_))
            || profile.leaves_out([*feature].into_iter().collect()).is_some()
    };
    let is_in_shapes = |(feature, support): &&(Feature, Support)| {
        matches!(support, Support::Broken(_)) && ESSENTIAL.contains(feature)
    };
    let found = probed.iter().filter(is_off);
    if found.clone().any(|(feature, _)| *feature == Feature::Messages) {
        return Features::default();
    }
    let off = found.filter(|it| !is_in_shapes(it));
    off.map(|(feature, _)| *feature).collect()
}
