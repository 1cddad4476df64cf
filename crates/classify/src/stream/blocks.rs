//! The blocks of a message: which are open, and what their deltas come to.

use serde_json::Value;

use super::log::{Doubt, Log};
use super::names::{CITATIONS, Kind, homes, known_block};
use super::note::NoteKind;
use super::payload::{Delta, Payload, Start};
use super::rule::Rule;
use super::sight::Sight;
use super::{shape, tool_json};
use crate::sse;

/// As much as one event may hold, for all open blocks together. What is longer is kept up to here, and therefore
/// broken.
const TOOL_JSON_BYTES_MAX: usize = sse::EVENT_BYTES_MAX;

/// More than one open block is a break of the grammar already; this many are enough to pair some more deltas with
/// them.
const OPEN_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Blocks {
    index_next: u64,
    open: Vec<Block>,
    /// Calls of the caller's own tools.
    pub(super) calls: usize,
    /// A block of a type that is not known: it may be a call.
    pub(super) has_unknown: bool,
    tool_ids: Vec<String>,
}

#[derive(Debug)]
struct Block {
    index: u64,
    /// None for a block that is not known.
    kind: Option<&'static str>,
    tool_json: String,
    /// Deltas that brought a piece of the input.
    pieces: usize,
    is_toolset: bool,
    has_text: bool,
    signed: bool,
}

impl Blocks {
    /// How many are open.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// The message is summed up: whatever is open should not be.
    pub(super) fn close(&mut self, log: &mut Log) {
        if let Some(block) = self.open.first() {
            log.violate(Rule::BlockLeftOpen, format_args!("block {} is open", block.index));
            self.open.clear();
        }
    }

    /// Takes an event of a block; `tree` is its data where promises are looked at, and only for a start.
    pub(super) fn event(
        &mut self,
        log: &mut Log,
        kind: Kind,
        payload: &Payload<'_>,
        tree: Option<&Value>,
    ) {
        let Some(index) = payload.index.0.0 else {
            let detail = format_args!("`index` is no whole number");
            return log.violate(Rule::IndexMissing, detail);
        };
        let at = self.open.iter().position(|block| block.index == index);
        let was_there = index < self.index_next;
        match (kind, at) {
            (Kind::BlockStart, _) => self.start(log, index, &payload.content_block.0, tree),
            (Kind::BlockDelta, Some(at)) => self.delta(log, at, &payload.delta.0),
            (Kind::BlockDelta, None) => {
                let rule = if was_there { Rule::DeltaAfterStop } else { Rule::DeltaUnopened };
                let kind = payload.delta.0.kind.as_str();
                log.violate(rule, format_args!("`{kind}` for block {index}"));
            }
            (_, Some(at)) => self.stop(log, at),
            (_, None) => {
                let rule = if was_there { Rule::DuplicateStop } else { Rule::StopUnopened };
                log.violate(rule, format_args!("block {index} is not open"));
            }
        }
    }

    fn start(&mut self, log: &mut Log, index: u64, start: &Start<'_>, tree: Option<&Value>) {
        log.settle(Doubt::CutShort, true);
        if start.kind.0.is_none() {
            log.violate(Rule::BlockMissing, format_args!("no block of a type"));
        }
        let next = self.index_next;
        if index < next {
            log.violate(Rule::IndexReused, format_args!("{index} was there before"));
            self.open.retain(|block| block.index != index);
        } else if next < index {
            log.violate(Rule::IndexGap, format_args!("{index} in place of {next}"));
        }
        if let Some(open) = self.open.last() {
            let detail = format_args!("block {index} starts in block {}", open.index);
            log.violate(Rule::BlockOverlap, detail);
        }
        self.index_next = next.max(index.saturating_add(1));
        let kind = known_block(start.kind.as_str());
        self.calls += usize::from(kind == Some("tool_use"));
        self.has_unknown |= kind.is_none();
        self.see(log, kind);
        let mut is_toolset = false;
        if kind.is_none() && start.kind.0.is_some() {
            log.note(NoteKind::UnknownBlock, start.kind.as_str());
        } else if let Some(data) = tree {
            shape::block(log, &data["content_block"], &mut self.tool_ids);
            is_toolset = data["content_block"]["toolset_name"].is_string();
        }
        if is_toolset {
            log.see(Sight::Toolset);
        }
        if self.open.len() < OPEN_MAX {
            let has = |length: Option<usize>| length.is_some_and(|length| 0 < length);
            self.open.push(Block {
                index,
                kind,
                tool_json: String::new(),
                pieces: 0,
                is_toolset,
                has_text: has(start.text.0.0),
                signed: has(start.signature.0.0),
            });
        }
    }

    /// What a block of that type shows. The ids are those of the calls before it.
    fn see(&self, log: &mut Log, kind: Option<&str>) {
        match kind {
            Some("thinking") => log.see(Sight::Thinking),
            Some("redacted_thinking") => log.see(Sight::RedactedThinking),
            Some("tool_use" | "server_tool_use" | "mcp_tool_use") => {
                log.see(Sight::Call);
                if kind == Some("tool_use") {
                    log.see(Sight::OwnCall);
                }
                if !self.tool_ids.is_empty() {
                    log.see(Sight::Calls);
                }
            }
            _ => {}
        }
    }

    fn delta(&mut self, log: &mut Log, at: usize, delta: &Delta<'_>) {
        let kind = delta.kind.as_str();
        if kind.is_empty() {
            return log.violate(Rule::DeltaMissing, format_args!("no delta of a type"));
        }
        // An unknown delta or an unknown block: the versioning promise says to ignore it.
        let Some(homes) = homes(kind) else {
            return log.note(NoteKind::UnknownDelta, kind);
        };
        let Some(block_kind) = self.open[at].kind else { return };
        if !homes.contains(&block_kind) {
            let detail = format_args!("`{kind}` for a block of type `{block_kind}`");
            return log.violate(Rule::DeltaTypeMismatch, detail);
        }
        let length = match kind {
            "text_delta" => delta.text.0.0,
            "thinking_delta" => delta.thinking.0.0,
            "input_json_delta" => delta.partial_json.0.as_ref().map(|piece| piece.len()),
            "signature_delta" => delta.signature.0.0,
            _ => return citation(log, delta.citation.0.kind.as_str()),
        };
        let Some(length) = length else {
            return log.violate(Rule::DeltaFieldMissing, format_args!("no text in `{kind}`"));
        };
        self.piece(log, at, kind, delta, length);
    }

    /// A delta that fits its block takes effect.
    fn piece(&mut self, log: &mut Log, at: usize, kind: &str, delta: &Delta<'_>, length: usize) {
        let kept: usize = self.open.iter().map(|block| block.tool_json.len()).sum();
        let block = &mut self.open[at];
        match kind {
            "text_delta" => block.has_text |= 0 < length,
            "input_json_delta" => {
                block.pieces += usize::from(0 < length);
                if kept < TOOL_JSON_BYTES_MAX {
                    block.tool_json.push_str(delta.partial_json.as_str());
                }
                if block.is_toolset && block.pieces == 2 {
                    let detail = format_args!("a second piece of the input");
                    log.violate(Rule::ToolsetInputSplit, detail);
                }
            }
            "thinking_delta" if block.signed => {
                log.violate(Rule::SignatureNotLast, format_args!("thinking after it"));
            }
            "signature_delta" => {
                if std::mem::replace(&mut block.signed, true) {
                    log.violate(Rule::DuplicateSignature, format_args!("a second signature"));
                } else if length == 0 {
                    log.violate(Rule::SignatureEmpty, format_args!("`signature` is \"\""));
                }
            }
            _ => {}
        }
    }

    fn stop(&mut self, log: &mut Log, at: usize) {
        let block = self.open.remove(at);
        let Block { index, kind, ref tool_json, .. } = block;
        if kind == Some("thinking") && !block.signed {
            let detail = format_args!("block {index} has none");
            log.doubt(Doubt::CutShort, Rule::SignatureMissing, detail);
        }
        if kind == Some("text") && !block.has_text {
            let detail = format_args!("block {index} has no text");
            log.doubt(Doubt::BesideCall, Rule::EmptyTextBlock, detail);
        }
        if let Some((rule, detail)) = tool_json::broken(tool_json) {
            let detail = format_args!("the input of block {index}: {detail}");
            log.doubt(Doubt::CutShort, rule, detail);
        }
    }
}

fn citation(log: &mut Log, kind: &str) {
    log.see(Sight::Citation);
    if kind.is_empty() {
        log.violate(Rule::CitationMissing, format_args!("no citation of a type"));
    } else if !CITATIONS.contains(&kind) {
        log.note(NoteKind::UnknownCitation, kind);
    }
}
