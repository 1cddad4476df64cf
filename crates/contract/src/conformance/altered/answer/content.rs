//! The blocks of an answer, before and after.
//!
//! Blocks belong together by kind and by their place among those of the kind: what was lost or added is told by kind,
//! and what changed by member. The price is that of a kind which lost a block, the others are not compared.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Changes, Part, is_same, members};
use crate::level::Level;
use crate::rules::view;

/// What no agent can do without.
const ESSENTIAL: [&str; 4] = ["redacted_thinking", "text", "thinking", "tool_use"];

/// A block, and where it stands.
#[derive(Clone, Copy)]
struct Placed<'a> {
    at: usize,
    block: &'a Value,
}

/// `is_renamed` says that tools went on under other names, which have to be changed back.
pub(super) fn compare(before: &Value, after: &Value, is_renamed: bool, changes: &mut Changes) {
    let (before, after) = (blocks(before), blocks(after));
    if is_moved(&before, &after) {
        let trace = "the blocks are in another order".to_owned();
        return changes.push(Level::AgentReady, "/content", trace);
    }
    let kinds: BTreeSet<&str> =
        before.iter().chain(&after).map(|placed| view::kind(placed.block)).collect();
    let apart: &[&str] = if is_renamed { &["name"] } else { &[] };
    for kind in kinds {
        let (before, after) = (of_kind(kind, &before), of_kind(kind, &after));
        if before.len() == after.len() {
            for (before, after) in before.iter().zip(&after) {
                let at = format!("/content/{}", after.at);
                members(Part::Block, &at, (before.block, after.block), apart, changes);
            }
        } else {
            count(kind, &before, &after, changes);
        }
    }
}

/// The blocks, but for empty texts, with which nothing is lost.
fn blocks(message: &Value) -> Vec<Placed<'_>> {
    let blocks = view::member_list(message, "content").iter().enumerate();
    blocks
        .filter(|(_, block)| view::kind(block) != "text" || block["text"] != "")
        .map(|(at, block)| Placed { at, block })
        .collect()
}

fn of_kind<'a>(kind: &str, blocks: &[Placed<'a>]) -> Vec<Placed<'a>> {
    blocks.iter().copied().filter(|placed| view::kind(placed.block) == kind).collect()
}

/// Whether the same blocks stand in another order.
fn is_moved(before: &[Placed<'_>], after: &[Placed<'_>]) -> bool {
    before.len() == after.len()
        && !before.iter().zip(after).all(|(one, other)| is_kept(one, other))
        && before.iter().all(|one| after.iter().any(|other| is_kept(one, other)))
}

fn is_kept(before: &Placed<'_>, after: &Placed<'_>) -> bool {
    let members = before.block.as_object().into_iter().flatten();
    members
        .filter(|(_, value)| !value.is_null())
        .all(|(name, value)| is_same(name, value, &after.block[name]))
}

/// There are more blocks of a kind, or fewer.
fn count(kind: &str, before: &[Placed<'_>], after: &[Placed<'_>], changes: &mut Changes) {
    let text = |blocks: &[Placed<'_>]| -> String {
        blocks.iter().filter_map(|placed| placed.block["text"].as_str()).collect()
    };
    let is_essential = ESSENTIAL.contains(&kind);
    if kind == "text" && text(before) == text(after) {
        let trace = "the text is cut into other blocks".to_owned();
        changes.push(Level::Compatible, "/content", trace);
    } else if after.len() < before.len() {
        let level = if is_essential { Level::AgentReady } else { Level::Compatible };
        changes.push(level, "/content", format!("a `{kind}` block is lost"));
    } else {
        let level = if is_essential { Level::AgentReady } else { Level::Strict };
        let at = format!("/content/{}", after[before.len()].at);
        changes.push(level, at, format!("a `{kind}` block is added"));
    }
}
