//! What was found so far, each finding with the events around it.
//!
//! Only the last few events are kept, each cut to what a report shows, in buffers that are used again; a finding
//! copies them when it is made. So a stream without findings costs a short copy per event, and one that is
//! nothing but findings stays within a limit.

use std::fmt;

use super::note::{Note, NoteKind};
use super::rule::Rule;
use super::sight::{Sight, Sights};
use super::{AROUND, DETAIL_BYTES_MAX, EXCERPT_BYTES_MAX, NOTES_MAX, VIOLATIONS_MAX};
use super::{TraceLine, Violation};
use crate::sse::EventRef;

/// What is wanted of a reading.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Scope {
    /// Whether the grammar holds, and where it breaks: no details, no traces and no notes.
    #[default]
    Grammar,
    Everything,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    scope: Scope,
    events: usize,
    /// Kept apart from the violations, whose number has a limit.
    malformed: bool,
    violations: Vec<Violation>,
    notes: Vec<Note>,
    sights: Sights,
    /// The event at hand and those before it: the one of index `i` at the place `i` modulo their number.
    recent: [Line; AROUND + 1],
    doubts: Vec<(Doubt, Violation)>,
}

/// A finding that what comes later confirms or clears.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Doubt {
    /// The block closed last is unfinished, which is right if the answer was cut short there.
    CutShort,
    /// A text block is empty, which is wrong beside a call.
    BesideCall,
}

/// An event as a report shows it.
#[derive(Debug, Default)]
struct Line {
    offset: usize,
    name: String,
    excerpt: String,
}

impl Log {
    pub(super) fn new(scope: Scope) -> Self {
        Self { scope, ..Self::default() }
    }

    pub(super) fn is_wide(&self) -> bool {
        self.scope == Scope::Everything
    }

    pub(super) fn events(&self) -> usize {
        self.events
    }

    pub(super) fn is_malformed(&self) -> bool {
        self.malformed
    }

    pub(super) fn into_findings(self) -> (Vec<Violation>, Vec<Note>, Sights) {
        (self.violations, self.notes, self.sights)
    }

    /// The stream holds it.
    pub(super) fn see(&mut self, sight: Sight) {
        self.sights.add(sight);
    }

    /// Takes up the next event: what is found from now on is found there.
    pub(super) fn begin(&mut self, event: &EventRef<'_>) {
        let event_idx = self.events;
        self.events += 1;
        if !self.is_wide() {
            return;
        }
        let line = &mut self.recent[event_idx % (AROUND + 1)];
        line.fill(event);
        // In the order of their events, so those that still take lines stand at the end.
        let late = self.violations.iter_mut().rev();
        let late = late.take_while(|violation| event_idx <= violation.event_idx + AROUND);
        let doubted = self.doubts.iter_mut().map(|(_, violation)| violation);
        let doubted = doubted.filter(|violation| event_idx <= violation.event_idx + AROUND);
        for violation in late.chain(doubted) {
            violation.trace.push(line.told(event_idx, false));
        }
    }

    /// The event at hand breaks `rule`.
    pub(super) fn violate(&mut self, rule: Rule, detail: fmt::Arguments<'_>) {
        self.malformed |= rule.breaks_grammar();
        if self.is_wanted(rule) && self.violations.len() < VIOLATIONS_MAX {
            let violation = self.violation(rule, detail);
            self.violations.push(violation);
        }
    }

    /// `rule` is broken after the last event, at the byte `offset`, by what is left there.
    pub(super) fn violate_at_end(
        &mut self,
        rule: Rule,
        offset: usize,
        left: Option<&EventRef<'_>>,
        detail: fmt::Arguments<'_>,
    ) {
        self.malformed |= rule.breaks_grammar();
        if self.is_wanted(rule) && self.violations.len() < VIOLATIONS_MAX {
            let event_idx = self.events;
            let mut trace = self.trace(event_idx, None);
            trace.extend(left.map(|event| {
                let mut line = Line::default();
                line.fill(event);
                line.told(event_idx, true)
            }));
            let detail = cut(&detail.to_string(), DETAIL_BYTES_MAX);
            self.violations.push(Violation { rule, event_idx, offset, detail, trace });
        }
    }

    /// The event at hand breaks `rule`, if the doubt turns out to be right. A second doubt of a kind is dropped.
    pub(super) fn doubt(&mut self, doubt: Doubt, rule: Rule, detail: fmt::Arguments<'_>) {
        if self.is_wanted(rule) && self.doubts.iter().all(|(other, _)| *other != doubt) {
            let violation = self.violation(rule, detail);
            self.doubts.push((doubt, violation));
        }
    }

    /// Decides about a doubt, if there is one of that kind.
    pub(super) fn settle(&mut self, doubt: Doubt, confirmed: bool) {
        let Some(at) = self.doubts.iter().position(|(kind, _)| *kind == doubt) else { return };
        let (_, violation) = self.doubts.remove(at);
        if !confirmed {
            return;
        }
        self.malformed |= violation.rule.breaks_grammar();
        if self.violations.len() < VIOLATIONS_MAX {
            let is_before = |other: &Violation| other.event_idx <= violation.event_idx;
            self.violations.insert(self.violations.partition_point(is_before), violation);
        }
    }

    /// The event at hand is worth a word; the same word is said once.
    pub(super) fn note(&mut self, kind: NoteKind, detail: &str) {
        if !self.is_wide() || NOTES_MAX <= self.notes.len() {
            return;
        }
        let detail = shown(detail, DETAIL_BYTES_MAX);
        if self.notes.iter().all(|note| note.kind != kind || note.detail != detail) {
            let event_idx = self.events.saturating_sub(1);
            let offset = self.recent[event_idx % (AROUND + 1)].offset;
            let detail = detail.to_owned();
            self.notes.push(Note { kind, event_idx, offset, detail });
        }
    }

    fn is_wanted(&self, rule: Rule) -> bool {
        self.is_wide() || rule.breaks_grammar()
    }

    fn violation(&self, rule: Rule, detail: fmt::Arguments<'_>) -> Violation {
        let event_idx = self.events.saturating_sub(1);
        if !self.is_wide() {
            return Violation {
                rule,
                event_idx,
                offset: 0,
                detail: String::new(),
                trace: Vec::new(),
            };
        }
        let offset = self.recent[event_idx % (AROUND + 1)].offset;
        let trace = self.trace(self.events, Some(event_idx));
        let detail = cut(&detail.to_string(), DETAIL_BYTES_MAX);
        Violation { rule, event_idx, offset, detail, trace }
    }

    /// The events before `end` that are kept, and of those before the culprit no more than may stand around it.
    fn trace(&self, end: usize, culprit: Option<usize>) -> Vec<TraceLine> {
        if !self.is_wide() {
            return Vec::new();
        }
        let first = culprit.unwrap_or(end).saturating_sub(AROUND);
        let told = |idx: usize| self.recent[idx % (AROUND + 1)].told(idx, culprit == Some(idx));
        (first..end).map(told).collect()
    }
}

impl Line {
    fn fill(&mut self, event: &EventRef<'_>) {
        self.offset = event.offset;
        self.name.clear();
        self.name.push_str(shown(event.name, EXCERPT_BYTES_MAX));
        self.excerpt.clear();
        let excerpt = shown(event.data, EXCERPT_BYTES_MAX);
        self.excerpt.push_str(excerpt);
        if excerpt.len() < event.data.len() {
            self.excerpt.push('…');
        }
    }

    fn told(&self, event_idx: usize, is_culprit: bool) -> TraceLine {
        let (name, data_excerpt) = (self.name.clone(), self.excerpt.clone());
        TraceLine { event_idx, offset: self.offset, name, data_excerpt, is_culprit }
    }
}

/// As much of `text` as fits, cut between characters.
fn shown(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// The same, marked where something is missing.
fn cut(text: &str, bytes_max: usize) -> String {
    let kept = shown(text, bytes_max);
    if kept.len() < text.len() { format!("{kept}…") } else { kept.to_owned() }
}
