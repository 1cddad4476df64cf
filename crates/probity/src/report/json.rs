//! JSON for machines: one object, or one line per result.
//!
//! Results are written as they come, totals last, so that a report of any size needs no memory. The price is that a
//! reader who wants only the totals reads to the end.

use std::io::{self, Write};

use contract::case::Case;
use contract::judge::{Record, Verdict};
use serde::Serialize;
use serde_json::json;
use wire::target::Key;

use super::{Summary, conformance};
use crate::curl::curl;
use crate::exit::{Exit, decide};
use crate::rejudge::Change;
use crate::run::End;

/// Writes one JSON report.
pub struct Writer {
    out: Box<dyn Write>,
    shape: Shape,
    key: Key,
    written: usize,
    /// Whether the reader has left (`| head`), which is no error.
    is_left: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// One line per result.
    Lines,
    /// One object with the results in it.
    Object,
}

/// One result, as promised.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    api_version: &'static str,
    operation: &'static str,
    origin: &'static str,
    rule: &'a str,
    expected: Vec<&'static str>,
    class: &'static str,
    verdict: &'static str,
    status: Option<u16>,
    error_type: Option<&'a str>,
    error_code: Option<&'a str>,
    findings: Vec<Finding<'a>>,
    curl: String,
}

#[derive(Serialize)]
struct Finding<'a> {
    rule: &'static str,
    pointer: &'a str,
    blame: &'static str,
    level: &'static str,
    trace: &'a str,
}

impl Writer {
    /// Begins. `key` is taken out of everything that follows.
    pub fn begin(mut out: Box<dyn Write>, shape: Shape, key: Key) -> io::Result<Self> {
        if shape == Shape::Object {
            out.write_all(b"{\"results\":[")?;
        }
        Ok(Self { out, shape, key, written: 0, is_left: false })
    }

    pub fn row(
        &mut self,
        case: Option<&Case>,
        record: &Record,
        base_url: Option<&str>,
    ) -> io::Result<()> {
        if self.is_left {
            return Ok(());
        }
        let text = serde_json::to_string(&row(case, record, base_url))?;
        match self.write(&text) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_left = true;
                Ok(())
            }
            done => done,
        }
    }

    fn write(&mut self, row: &str) -> io::Result<()> {
        let separator = match (self.shape, self.written) {
            (Shape::Lines, 0) => "",
            (Shape::Lines, _) | (Shape::Object, 0) => "\n",
            (Shape::Object, _) => ",\n",
        };
        self.out.write_all(separator.as_bytes())?;
        self.out.write_all(self.key.scrub(row).as_bytes())?;
        self.written += 1;
        Ok(())
    }

    pub fn finish(mut self, summary: &Summary<'_>) -> io::Result<()> {
        if self.is_left {
            return Ok(());
        }
        if self.shape == Shape::Lines && self.written > 0 {
            self.out.write_all(b"\n")?;
        }
        if self.shape == Shape::Object {
            let totals = totals(summary).to_string();
            let totals = self.key.scrub(&totals);
            self.out.write_all(b"\n],")?;
            // The totals are an object; its opening brace stands at the very beginning.
            self.out.write_all(totals.trim_start_matches('{').as_bytes())?;
            self.out.write_all(b"\n")?;
        }
        self.out.flush()
    }
}

/// A result on its own.
pub(crate) fn value(
    case: &Case,
    record: &Record,
    base_url: Option<&str>,
) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(row(Some(case), record, base_url))
}

fn row<'a>(case: Option<&Case>, record: &'a Record, base_url: Option<&str>) -> Row<'a> {
    Row {
        id: &record.id.0,
        api_version: record.version.name(),
        operation: record.operation.name(),
        origin: record.origin,
        rule: &record.rule,
        expected: record.expected.classes.iter().map(|class| class.name()).collect(),
        class: record.class.name(),
        verdict: record.verdict.name(),
        status: record.status,
        error_type: record.error_type.as_deref(),
        error_code: record.error_code.as_deref(),
        findings: record
            .findings
            .iter()
            .map(|finding| Finding {
                rule: finding.rule,
                pointer: &finding.pointer,
                blame: finding.blame.name(),
                level: finding.level.name(),
                trace: &finding.trace,
            })
            .collect(),
        curl: case.map(|case| curl(&case.request, base_url).line()).unwrap_or_default(),
    }
}

fn totals(summary: &Summary<'_>) -> serde_json::Value {
    let Summary { head, run, comparison, .. } = summary;
    let of_origin =
        |origin: &str| run.board.records.iter().filter(|record| record.origin == origin).count();
    let exit = decide(summary.reasons);
    let mut totals = json!({
        "probity": env!("CARGO_PKG_VERSION"),
        "spec": {
            "path": head.spec_path,
            "sha256": head.spec_sha256,
            "as_of": head.as_of,
            "api_versions": head.api_versions,
            "operations": head.operations,
            "schemas": head.schemas,
            "rules": head.rules,
        },
        "seed": head.seed,
        "target": head.target,
        "plan": summary.plan,
        "complete": run.end == End::Complete,
        "skipped": run.skipped,
        "cases": {
            "total": run.records().count(),
            "valid": of_origin("valid"),
            "mutated": of_origin("mut"),
            "scripted": run.scripted.len(),
            "witnesses": of_origin("witness"),
            "skipped": run.skipped.values().sum::<usize>(),
        },
        "verdicts": {
            "agree": run.count(Verdict::Agree),
            "drift": run.count(Verdict::Drift),
            "excused": run.count(Verdict::Excused),
            "inconclusive": run.count(Verdict::Inconclusive),
        },
        "ledgers": {
            "matching": comparison.matching,
            "accepted": comparison.accepted,
            "pending": comparison.pending.iter().map(|pending| &pending.name).collect::<Vec<_>>(),
        },
        "asides": summary.asides.iter().map(|aside| json!({"rule": aside.code, "trace": aside.what})).collect::<Vec<_>>(),
        "exit": { "code": exit.map_or(Exit::Clean, |stop| stop.exit).code(), "reason": exit.map(|stop| &stop.reason) },
    });
    if let (Some(old), Some(totals)) = (summary.old, totals.as_object_mut()) {
        let changes = old
            .changes()
            .into_iter()
            .map(|Change { id, before, now }| json!({"id": id, "before": before, "now": now}));
        let changes: Vec<_> = changes.collect();
        totals.insert(
            "judged_again".to_owned(),
            json!({"changes": changes, "left_out": old.left_out()}),
        );
    }
    let live = crate::live::to_json(run);
    if !live.is_null() {
        totals["live"] = live;
    }
    if let (Some(conformance), Some(totals)) = (&run.conformance, totals.as_object_mut()) {
        totals.insert("conformance".to_owned(), conformance::json(conformance));
    }
    if let Some(why) = run.untold {
        totals["conformance_missing"] = why.into();
    }
    if let (Some(elapsed), Some(totals)) = (summary.elapsed, totals.as_object_mut()) {
        totals.insert(
            "elapsed_ms".to_owned(),
            u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).into(),
        );
    }
    totals
}
