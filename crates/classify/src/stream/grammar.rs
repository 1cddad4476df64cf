//! The state machine over decoded events: the order of the message's own, and what may stand between.

use serde_json::Value;

use super::blocks::Blocks;
use super::log::{Doubt, Log, Scope};
use super::names::{CUT_SHORT, DONE, Kind};
use super::note::NoteKind;
use super::payload::Payload;
use super::rule::Rule;
use super::shape::{self, Place, Usage};
use super::sight::Sight;
use super::{Defect, Lint, Outcome, StreamReading, unreadable};
use crate::envelope::{self, Envelope};
use crate::sse::{self, Event, EventRef};

/// The grammar alone, for those who read events as they arrive.
#[derive(Debug, Default)]
pub struct Grammar {
    log: Log,
    phase: Phase,
    started: bool,
    blocks: Blocks,
    usage: Usage,
    stop_reason: Option<String>,
    failure: Option<Envelope<'static>>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Phase {
    #[default]
    Before,
    Open,
    Closing,
    Stopped,
    /// An `error` has come.
    Failed,
    /// After the end came more; nothing after that is looked at.
    Beyond,
}

impl Grammar {
    /// One that looks at everything.
    pub(super) fn wide() -> Self {
        Self { log: Log::new(Scope::Everything), ..Self::default() }
    }

    /// Takes the next event.
    pub fn event(&mut self, event: &Event) {
        self.take(&event.lend());
    }

    /// The same for an event that the decoder lends.
    pub fn take(&mut self, event: &EventRef<'_>) {
        self.log.begin(event);
        match self.phase {
            Phase::Beyond => {}
            Phase::Failed => self.after_error(event),
            _ => self.proceed(event),
        }
    }

    /// Ends the stream; `end` is what the decoder had left.
    pub fn finish(self, end: &sse::End) -> StreamReading {
        let Lint { events, outcome, stop_reason, violations, .. } = self.lint(end);
        let defect =
            |found: super::Violation| Defect { event_idx: found.event_idx, rule: found.rule };
        StreamReading {
            events,
            outcome,
            stop_reason,
            defects: violations.into_iter().map(defect).collect(),
        }
    }

    pub(super) fn lint(mut self, end: &sse::End) -> Lint {
        self.end(end);
        let outcome = match self.failure {
            Some(envelope) => Outcome::Failed(envelope),
            None if self.log.is_malformed() => Outcome::Malformed,
            None if matches!(self.phase, Phase::Stopped) => Outcome::Done,
            None => Outcome::Truncated,
        };
        // The event that was too long to be one counts: the stream did not end before it.
        let events = self.log.events() + usize::from(end.overflow.is_some());
        self.log.see(Sight::Stream);
        let (violations, notes, sights) = self.log.into_findings();
        Lint { events, outcome, stop_reason: self.stop_reason, violations, notes, sights }
    }

    fn end(&mut self, end: &sse::End) {
        if end.marked {
            self.log.note(NoteKind::ByteOrderMark, "");
        }
        if let Some(overflow) = end.overflow {
            let detail = format_args!("{overflow:?} too long");
            return self.log.violate_at_end(Rule::EventTooLong, end.bytes, None, detail);
        }
        let dropped = end.dropped.as_ref().map(Event::lend);
        // An event that breaks off is a stream that breaks off; one that lacks nothing else is a fault of its own.
        if let Some(dropped) = dropped.filter(|event| Payload::read(event.data).is_some()) {
            let detail = format_args!("the last event, `{}`, is dropped", dropped.name);
            let offset = dropped.offset;
            self.log.violate_at_end(Rule::FinalBlankLineMissing, offset, Some(&dropped), detail);
        }
        if self.log.events() == 0 {
            self.log.violate_at_end(Rule::NoEvents, end.bytes, None, format_args!("no event came"));
        } else if matches!(self.phase, Phase::Before | Phase::Open | Phase::Closing) {
            let blocks = self.blocks.open();
            let detail = format_args!("the stream ends with {blocks} open blocks");
            self.log.violate_at_end(Rule::NoMessageStop, end.bytes, None, detail);
        }
    }

    fn proceed(&mut self, event: &EventRef<'_>) {
        let named = Kind::parse(event.name);
        if named == Some(Kind::Ping) {
            return self.ping();
        }
        if named.is_none() && !event.name.is_empty() {
            return self.unknown(event);
        }
        let payload = Payload::read(event.data);
        let Some(kind) = self.identify(event, named, payload.as_ref()) else { return };
        match kind {
            Kind::BlockStart | Kind::BlockStop => self.log.see(Sight::Block),
            Kind::BlockDelta => {
                self.log.see(Sight::Block);
                self.log.see(Sight::Delta);
            }
            Kind::Error => self.log.see(Sight::Error),
            Kind::MessageStart => self.log.see(Sight::Message),
            Kind::MessageDelta | Kind::MessageStop | Kind::Ping => {}
        }
        if self.phase == Phase::Stopped {
            self.phase = Phase::Beyond;
            let rule =
                if kind == Kind::Error { Rule::ErrorAfterStop } else { Rule::AfterMessageStop };
            return self.log.violate(rule, format_args!("`{}` after the end", kind.name()));
        }
        if kind == Kind::Error {
            return self.error(event.data);
        }
        if event.lossy {
            let detail = format_args!("bytes that are not UTF-8 stand in the data");
            self.log.violate(Rule::DataNotUtf8, detail);
        }
        let Some(payload) = payload else {
            let (rule, detail) = unreadable(event.data);
            return self.log.violate(rule, format_args!("{detail}"));
        };
        if kind == Kind::MessageStart {
            return self.message_start(event, &payload);
        }
        if self.phase == Phase::Before {
            let detail = format_args!("`{}` comes first", kind.name());
            self.log.violate(Rule::EventBeforeStart, detail);
            self.phase = Phase::Open;
        }
        match kind {
            Kind::BlockDelta | Kind::BlockStart | Kind::BlockStop => {
                self.block_event(kind, event, &payload)
            }
            Kind::MessageDelta => self.message_delta(event, &payload),
            Kind::MessageStop => self.message_stop(),
            Kind::Error | Kind::MessageStart | Kind::Ping => {}
        }
    }

    /// The kind of an event, by the type in its data where it has one; none for what is to be ignored.
    fn identify(
        &mut self,
        event: &EventRef<'_>,
        named: Option<Kind>,
        payload: Option<&Payload<'_>>,
    ) -> Option<Kind> {
        let Some(payload) = payload else {
            if named.is_none() && event.data == DONE {
                self.log.violate(Rule::DoneMarker, format_args!("`{DONE}`"));
            } else if named.is_none() {
                let (rule, detail) = unreadable(event.data);
                self.log.violate(rule, format_args!("{detail}"));
            }
            return named;
        };
        let written = payload.kind.as_str();
        let typed = Kind::parse(written);
        match named {
            // An error is one whatever its data looks like.
            Some(Kind::Error) => named,
            Some(kind) if written.is_empty() => {
                self.log.violate(Rule::TypeMissing, format_args!("`{}` has none", kind.name()));
                named
            }
            Some(kind) => {
                if typed != named {
                    let detail =
                        format_args!("`{}` in the line, `{written}` in the data", kind.name());
                    self.log.violate(Rule::NameTypeMismatch, detail);
                }
                typed.filter(|kind| *kind != Kind::Ping)
            }
            None if written.is_empty() => {
                self.log.violate(Rule::ForeignEvent, format_args!("neither a name nor a type"));
                None
            }
            None if typed == Some(Kind::Ping) => None,
            None if typed.is_none() => {
                self.log.note(NoteKind::UnknownEvent, written);
                None
            }
            None => {
                self.log.violate(Rule::EventUnnamed, format_args!("a `{written}` without a name"));
                typed
            }
        }
    }

    fn ping(&mut self) {
        if !matches!(self.phase, Phase::Open | Phase::Closing) {
            self.log.note(NoteKind::PingOutside, "");
        }
    }

    /// An event with a name that is not of the grammar.
    fn unknown(&mut self, event: &EventRef<'_>) {
        if !self.log.is_wide() {
            return;
        }
        let payload = Payload::read(event.data);
        let typed = payload.as_ref().and_then(|payload| Kind::parse(payload.kind.as_str()));
        match typed {
            Some(kind) => {
                let detail = format_args!("a `{}` is named `{}`", kind.name(), event.name);
                self.log.violate(Rule::EventNameUnknown, detail);
            }
            None => self.log.note(NoteKind::UnknownEvent, event.name),
        }
    }

    fn error(&mut self, data: &str) {
        self.failure = Some(failure(data));
        self.phase = Phase::Failed;
        if self.log.is_wide() {
            shape::error(&mut self.log, data);
        }
    }

    fn after_error(&mut self, event: &EventRef<'_>) {
        if !self.log.is_wide() {
            return;
        }
        let kind = Kind::parse(event.name).or_else(|| {
            let payload = Payload::read(event.data).filter(|_| event.name.is_empty());
            payload.and_then(|payload| Kind::parse(payload.kind.as_str()))
        });
        match kind {
            None => {}
            Some(Kind::Ping) => self.ping(),
            Some(kind) => {
                self.phase = Phase::Beyond;
                let detail = format_args!("`{}` after the error", kind.name());
                self.log.violate(Rule::ErrorTerminates, detail);
            }
        }
    }

    fn message_start(&mut self, event: &EventRef<'_>, payload: &Payload<'_>) {
        if std::mem::replace(&mut self.started, true) {
            return self.log.violate(Rule::DuplicateStart, format_args!("the message had started"));
        }
        if self.phase == Phase::Before {
            self.phase = Phase::Open;
        }
        if !payload.message.0.present {
            return self.log.violate(Rule::MessageMissing, format_args!("no object in `message`"));
        }
        if let Some(data) = tree(&self.log, event) {
            shape::message(&mut self.log, &data["message"], &mut self.usage);
        }
    }

    fn block_event(&mut self, kind: Kind, event: &EventRef<'_>, payload: &Payload<'_>) {
        if self.phase == Phase::Closing {
            let detail = format_args!("`{}` after `message_delta`", kind.name());
            return self.log.violate(Rule::BlockAfterMessageDelta, detail);
        }
        let tree = if kind == Kind::BlockStart { tree(&self.log, event) } else { None };
        self.blocks.event(&mut self.log, kind, payload, tree.as_ref());
    }

    fn message_delta(&mut self, event: &EventRef<'_>, payload: &Payload<'_>) {
        self.blocks.close(&mut self.log);
        self.phase = Phase::Closing;
        let reason = payload.delta.0.stop_reason.0.as_deref();
        if let Some(reason) = reason {
            self.stop_with(reason);
        }
        if let Some(data) = tree(&self.log, event) {
            if let Some(reason) = reason {
                shape::ending(&mut self.log, &data["delta"], reason);
            }
            let refused = self.stop_reason.as_deref() == Some("refusal");
            self.usage.take(&mut self.log, &data["usage"], Place::End { refused });
        }
    }

    fn stop_with(&mut self, reason: &str) {
        self.log.see(Sight::Ending);
        match reason {
            "tool_use" => self.log.see(Sight::OwnCall),
            "stop_sequence" => self.log.see(Sight::StopSequence),
            _ => {}
        }
        self.log.settle(Doubt::CutShort, !CUT_SHORT.contains(&reason));
        self.log.settle(Doubt::BesideCall, 0 < self.blocks.calls);
        match (reason, self.blocks.calls) {
            ("tool_use", 0) if !self.blocks.has_unknown => {
                self.log.violate(Rule::StopReasonWithoutCall, format_args!("no `tool_use` block"));
            }
            ("end_turn" | "stop_sequence", 1..) => {
                let detail = format_args!("`{reason}` after {} calls", self.blocks.calls);
                self.log.violate(Rule::StopReasonIgnoresCall, detail);
            }
            _ => {}
        }
        let before = self.stop_reason.replace(reason.to_owned());
        if let Some(before) = before.filter(|before| before != reason) {
            let detail = format_args!("`{reason}`, and was `{before}` before");
            self.log.violate(Rule::StopReasonChanged, detail);
        }
    }

    fn message_stop(&mut self) {
        self.blocks.close(&mut self.log);
        self.log.settle(Doubt::CutShort, true);
        self.log.settle(Doubt::BesideCall, 0 < self.blocks.calls);
        if self.phase != Phase::Closing {
            self.log.violate(Rule::NoMessageDelta, format_args!("none came"));
        } else if self.stop_reason.is_none() {
            self.log.violate(Rule::StopReasonMissing, format_args!("it is null to the end"));
        }
        self.phase = Phase::Stopped;
    }
}

/// The data as a tree, where promises are looked at.
fn tree(log: &Log, event: &EventRef<'_>) -> Option<Value> {
    if log.is_wide() { serde_json::from_str(event.data).ok() } else { None }
}

/// The envelope in an `error` event; gateways also write plain text there, which then is the message.
fn failure(data: &str) -> Envelope<'static> {
    let plain = || Envelope { message: data.into(), ..Envelope::default() };
    envelope::parse(data.as_bytes()).unwrap_or_else(plain).into_owned()
}
