//! The report for people: by rule, with the places, and what to do.

use classify::stream::TraceLine;

use super::item::Place;
use super::judge::ANSWER_CLASS;
use super::judge::Fault;
use super::meaning;
use super::sums::{Group, Sums};
use crate::console::{Paint, count, fold, thousands};

/// Differences shown of a ledger; `--accept` and a look at the file show all.
const DIFFERENCES_MAX: usize = 20;

/// What stands around the name of an event.
const EVENT_INDENT: usize = 8;

/// How a page looks.
#[derive(Clone, Copy)]
pub(super) struct Page {
    pub(super) paint: Paint,
    pub(super) width: usize,
    pub(super) is_quiet: bool,
}

/// Everything there is to say at the end.
pub(super) fn page(page: Page, sums: &Sums, differences: &[String]) -> String {
    let mut text = String::new();
    for (rule, group) in sums.ranked() {
        text += &of_rule(page, rule, group);
    }
    for (place, reason) in &sums.unreadable_places {
        let line = format!("{place} {reason}");
        text +=
            &format!("{}\n{}\n\n", page.paint.red("not readable"), fold(&line, page.width, "  "));
    }
    if !page.is_quiet {
        text += &advice(page, sums);
    }
    text += &of_ledger(page, differences);
    if !page.is_quiet {
        text += &tail(page, sums);
    }
    text
}

fn of_rule(page: Page, rule: &str, group: &Group) -> String {
    let paint = page.paint;
    let mut counts = count(group.faults, "place");
    if group.items != group.faults && group.items > 1 {
        counts += &format!(" in {}", thousands(group.items));
    }
    let blame = group.places.first().map_or("", |(_, fault)| fault.blame.name());
    let mut text = format!("{}  {}\n", paint.bold(rule), paint.dim(format!("{counts}, {blame}")));
    let meaning = meaning::of(rule);
    if let Some((sentence, _)) = &meaning {
        text += &format!("{}\n", fold(sentence, page.width, "  "));
    }
    for (place, fault) in &group.places {
        text += &of_place(page, place, fault);
    }
    if group.places.len() < group.faults {
        let more = count(group.faults - group.places.len(), "more place");
        text += &format!("  {}\n", paint.dim(format!("… and {more} (--verbose shows them)")));
    }
    if let Some((_, remedy)) = meaning {
        // What is no rule has its words in the message.
        let hint =
            if rule == ANSWER_CLASS { String::new() } else { format!(" (probity explain {rule})") };
        let hint = format!("Remedy: {remedy}{hint}");
        text += &format!("{}\n", fold(&hint, page.width, "  "));
    }
    text + "\n"
}

fn of_place(page: Page, place: &Place, fault: &Fault) -> String {
    let paint = page.paint;
    let at = match &fault.spot {
        Some(spot) => format!("{}:{}:{}", place.file, spot.line, spot.column),
        None => place.to_string(),
    };
    let at = format!("{at}  {}", fault.pointer);
    let mut text = format!("  {}\n", paint.yellow(at.trim_end()));
    for line in &fault.trace {
        text += &of_event(page, line);
    }
    if let Some(spot) = fault.spot.as_ref().filter(|_| fault.trace.is_empty()) {
        let number = spot.line.to_string();
        let blank = " ".repeat(number.len());
        let caret = " ".repeat(spot.caret);
        text += &format!("    {} {}\n", paint.dim(format!("{number} |")), spot.excerpt);
        text += &format!("    {} {caret}{}\n", paint.dim(format!("{blank} |")), paint.red("^"));
    }
    text + &format!("{}\n", fold(&fault.message, page.width, "    "))
}

/// `>   1  at 241  content_block_delta  {"type":…`, cut to the width.
fn of_event(page: Page, line: &TraceLine) -> String {
    let mark = if line.is_culprit { page.paint.red(">") } else { " ".to_owned() };
    let TraceLine { event_idx, offset, name, data_excerpt, .. } = line;
    let head = format!("{event_idx:>4}  at {offset:<6} {name}");
    let room = page.width.saturating_sub(head.chars().count() + EVENT_INDENT);
    let data: String = data_excerpt.chars().take(room).collect();
    format!("    {mark} {head}  {}\n", page.paint.dim(data))
}

fn advice(page: Page, sums: &Sums) -> String {
    if sums.advice.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", page.paint.bold("advice"));
    for (message, (lint, remedy, times)) in &sums.advice {
        let line =
            format!("{message} ({}); {remedy} (probity explain {lint})", count(*times, "request"));
        text += &format!("{}\n", fold(&line, page.width, "  "));
    }
    text + "\n"
}

fn of_ledger(page: Page, differences: &[String]) -> String {
    if differences.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", page.paint.bold("differs from the ledger"));
    for line in differences.iter().take(DIFFERENCES_MAX) {
        let line =
            if line.starts_with('+') { page.paint.green(line) } else { page.paint.red(line) };
        text += &format!("  {line}\n");
    }
    if let Some(more @ 1..) = differences.len().checked_sub(DIFFERENCES_MAX) {
        text += &format!("  … and {}\n", count(more, "more line"));
    }
    text + "\n"
}

fn tail(page: Page, sums: &Sums) -> String {
    let mut lines = vec![format!(
        "checked   {} and {} in {}",
        count(sums.requests, "request"),
        count(sums.answers, "answer"),
        count(sums.files.len(), "file"),
    )];
    if !sums.by_class.is_empty() {
        let classes = sums.by_class.iter();
        let classes: Vec<_> =
            classes.map(|(class, times)| format!("{} {class}", thousands(*times))).collect();
        lines.push(format!("answers   {}", classes.join(", ")));
    }
    for (note, times) in &sums.notes {
        lines.push(format!("unjudged  {} × {note}", thousands(*times)));
    }
    if sums.other > 0 {
        let other = count(sums.other, "line");
        lines.push(format!("passed    {other} or entries that are not about this API"));
    }
    if sums.unread > 0 {
        let names: Vec<_> =
            sums.unread_files.iter().take(3).map(|path| path.display().to_string()).collect();
        let more = if sums.unread > names.len() { ", …" } else { "" };
        lines.push(format!("not read  {}: {}{more}", count(sums.unread, "file"), names.join(", ")));
    }
    if sums.known > 0 {
        lines.push(format!("known     {} of the ledger", count(sums.known, "finding")));
    }
    let indent = "          ";
    let folded = lines.iter().map(|line| {
        let (label, rest) = line.split_at(indent.len());
        format!("{}{}\n", page.paint.dim(label), fold(rest, page.width, indent).trim_start())
    });
    folded.collect()
}

/// The last line of a clean run.
pub(super) fn clean(paint: Paint, sums: &Sums) -> String {
    format!("{}: {}\n", paint.green("clean"), count(sums.items, "item"))
}
