//! What a run comes to: counts, and the first places of every rule, so that millions of lines cost no more memory
//! than the rules have names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use contract::judge::Blame;

use super::item::Place;
use super::judge::{Fault, Judged};

/// Places of one rule that are shown; all of them are in the reports.
const PLACES_MAX: usize = 3;

/// The same where everything is wanted.
const PLACES_VERBOSE_MAX: usize = 1_000;

/// Names of files that are shown of those that were not read, and of those that could not be.
const FILES_MAX: usize = 20;

/// Some notes name what they are about, and there are more names than anybody reads.
const NOTES_MAX: usize = 50;

#[derive(Debug, Default)]
pub(super) struct Sums {
    places_max: usize,
    pub(super) requests: usize,
    pub(super) answers: usize,
    pub(super) items: usize,
    pub(super) files: BTreeMap<Arc<str>, usize>,
    pub(super) by_class: BTreeMap<&'static str, usize>,
    pub(super) by_blame: BTreeMap<&'static str, usize>,
    pub(super) groups: BTreeMap<&'static str, Group>,
    /// Findings that the ledger has accepted.
    pub(super) known: usize,
    pub(super) advice: BTreeMap<String, (&'static str, String, usize)>,
    pub(super) notes: BTreeMap<Cow<'static, str>, usize>,
    /// Lines and entries that are not about this API.
    pub(super) other: usize,
    pub(super) unread: usize,
    pub(super) unread_files: Vec<PathBuf>,
    pub(super) unreadable: usize,
    pub(super) unreadable_places: Vec<(Place, String)>,
    /// By file and rule, for the reports that want it so.
    pub(super) by_file: BTreeMap<(Arc<str>, &'static str), Group>,
}

/// What breaks one rule.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) faults: usize,
    pub(super) items: usize,
    pub(super) places: Vec<(Place, Fault)>,
}

impl Sums {
    pub(super) fn new(is_verbose: bool) -> Self {
        let places_max = if is_verbose { PLACES_VERBOSE_MAX } else { PLACES_MAX };
        Self { places_max, ..Self::default() }
    }

    /// Takes up an item; `is_known` says which of its faults have been accepted.
    pub(super) fn note(&mut self, judged: &Judged, is_known: impl Fn(&Fault) -> bool) {
        self.items += 1;
        self.requests += usize::from(judged.has_request);
        *self.files.entry(Arc::clone(&judged.place.file)).or_default() += 1;
        if let Some(class) = judged.class {
            self.answers += 1;
            *self.by_class.entry(class.name()).or_default() += 1;
        }
        let (known, new): (Vec<_>, Vec<_>) =
            judged.faults.iter().partition(|fault| is_known(fault));
        self.known += known.len();
        let mut before = None;
        for fault in new {
            *self.by_blame.entry(fault.blame.name()).or_default() += 1;
            let is_first = before != Some(fault.rule);
            before = Some(fault.rule);
            let file = (Arc::clone(&judged.place.file), fault.rule);
            for group in
                [self.groups.entry(fault.rule).or_default(), self.by_file.entry(file).or_default()]
            {
                group.faults += 1;
                group.items += usize::from(is_first);
                if group.places.len() < self.places_max {
                    group.places.push((judged.place.clone(), fault.clone()));
                }
            }
        }
        for advice in &judged.advice {
            let row = self.advice.entry(advice.message.clone());
            row.or_insert_with(|| (advice.lint, advice.remedy.clone(), 0)).2 += 1;
        }
        for note in &judged.notes {
            if self.notes.len() < NOTES_MAX || self.notes.contains_key(note) {
                *self.notes.entry(note.clone()).or_default() += 1;
            }
        }
    }

    pub(super) fn unread(&mut self, path: PathBuf) {
        self.unread += 1;
        if self.unread_files.len() < FILES_MAX {
            self.unread_files.push(path);
        }
    }

    pub(super) fn unreadable(&mut self, place: Place, reason: String) {
        self.unreadable += 1;
        if self.unreadable_places.len() < FILES_MAX {
            self.unreadable_places.push((place, reason));
        }
    }

    pub(super) fn findings(&self) -> usize {
        self.groups.values().map(|group| group.faults).sum()
    }

    /// The rules that are broken, those of the client first, and of each kind the most frequent first.
    pub(super) fn ranked(&self) -> Vec<(&'static str, &Group)> {
        let mut ranked: Vec<_> = self.groups.iter().map(|(rule, group)| (*rule, group)).collect();
        let of_client = |group: &Group| {
            group.places.first().is_some_and(|(_, fault)| fault.blame == Blame::Client)
        };
        ranked.sort_by_key(|(rule, group)| (!of_client(group), usize::MAX - group.items, *rule));
        ranked
    }
}
