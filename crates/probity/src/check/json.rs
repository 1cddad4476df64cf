//! The report for programs: an object with a row for each item, or a line for each; written as items come, so that
//! a long input costs no memory.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::judge::{Fault, Judged};
use super::sums::Sums;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// The rows, then the sums as the last line.
    Lines,
    Object,
}

pub(super) struct Writer {
    out: Box<dyn Write>,
    shape: Shape,
    rows: usize,
}

impl Writer {
    pub(super) fn begin(mut out: Box<dyn Write>, shape: Shape, head: &Value) -> io::Result<Self> {
        if shape == Shape::Object {
            let head = head.to_string();
            write!(out, "{},\"results\":[", head.strip_suffix('}').unwrap_or_default())?;
        }
        Ok(Self { out, shape, rows: 0 })
    }

    pub(super) fn row(
        &mut self,
        judged: &Judged,
        is_known: impl Fn(&Fault) -> bool,
    ) -> io::Result<()> {
        let row = row(judged, is_known);
        match self.shape {
            Shape::Lines => writeln!(self.out, "{row}")?,
            Shape::Object if self.rows == 0 => write!(self.out, "\n{row}")?,
            Shape::Object => write!(self.out, ",\n{row}")?,
        }
        self.rows += 1;
        Ok(())
    }

    pub(super) fn finish(
        mut self,
        sums: &Sums,
        differences: &[String],
        exit: u8,
    ) -> io::Result<()> {
        let sums = summary(sums, differences, exit);
        match self.shape {
            Shape::Lines => writeln!(self.out, "{}", json!({"summary": sums}))?,
            Shape::Object => writeln!(self.out, "\n],\"summary\":{sums}}}")?,
        }
        self.out.flush()
    }
}

fn row(judged: &Judged, is_known: impl Fn(&Fault) -> bool) -> Value {
    let findings = judged.faults.iter().map(|fault| {
        json!({
            "rule": fault.rule,
            "blame": fault.blame.name(),
            "pointer": fault.pointer,
            "line": fault.spot.as_ref().map(|spot| spot.line),
            "column": fault.spot.as_ref().map(|spot| spot.column),
            "message": fault.message,
            "trace": trace(fault),
            "known": is_known(fault),
        })
    });
    let advice = judged.advice.iter().map(
        |advice| json!({"lint": advice.lint, "message": advice.message, "remedy": advice.remedy}),
    );
    json!({
        "id": judged.digest,
        "file": &*judged.place.file,
        "line": judged.place.line,
        "entry": judged.place.entry,
        "kind": match (judged.has_request, judged.class.is_some()) {
            (true, true) => "exchange",
            (true, false) => "request",
            (false, _) => "answer",
        },
        "operation": judged.operation.map(|operation| operation.name()),
        "api_version": judged.version.name(),
        "model": judged.model,
        "class": judged.class.map(|class| class.name()),
        "status": judged.status,
        "findings": findings.collect::<Vec<_>>(),
        "lints": advice.collect::<Vec<_>>(),
        "notes": judged.notes,
    })
}

fn trace(fault: &Fault) -> Vec<Value> {
    let lines = fault.trace.iter().map(|line| {
        json!({
            "event": line.event_idx,
            "offset": line.offset,
            "name": line.name,
            "data": line.data_excerpt,
            "culprit": line.is_culprit,
        })
    });
    lines.collect()
}

fn summary(sums: &Sums, differences: &[String], exit: u8) -> Value {
    let by_rule: serde_json::Map<String, Value> =
        sums.groups.iter().map(|(rule, group)| ((*rule).to_owned(), group.faults.into())).collect();
    let unreadable = sums.unreadable_places.iter();
    let unreadable = unreadable.map(|(place, reason)| {
        json!({"file": &*place.file, "line": place.line, "entry": place.entry, "reason": reason})
    });
    json!({
        "items": sums.items,
        "requests": sums.requests,
        "answers": sums.answers,
        "files": sums.files.len(),
        "findings": sums.findings(),
        "known": sums.known,
        "by_rule": by_rule,
        "by_class": sums.by_class,
        "by_blame": sums.by_blame,
        "other": sums.other,
        "unread": sums.unread,
        "unreadable": unreadable.collect::<Vec<_>>(),
        "differences": differences,
        "exit": exit,
    })
}
