//! The ledger: what a team's traffic is, as a text that can be reviewed and kept.
//!
//! One line for each request (or answer without one), by the hash of its content: what it is, what came back, and which
//! rules it breaks. What stands there has been accepted, and is no finding; whatever is new, gone or has changed is a
//! difference. Places and names of files are left out, so that a folder can be sorted anew.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use classify::http::Request;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::item::{Answered, Asked};
use super::judge::Judged;
use crate::exit::Stop;
use crate::reporter::failed;

/// Where the ledger lies unless somebody says otherwise.
pub(super) const FILE: &str = "probity-check.txt";

/// Enough to tell apart what any team ever sends.
const DIGEST_CHARS: usize = 16;

/// Longer ledgers are nobody's.
const LEDGER_BYTES_MAX: u64 = 256 * 1024 * 1024;

const TITLE: &str = "# probity check: what this traffic is. `--accept` writes it anew.";

/// The lines by id; one id may have several, where it was answered differently.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    lines: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Ledger {
    pub(super) fn note(&mut self, judged: &Judged) {
        let line = self.lines.entry(judged.digest.clone()).or_default();
        *line.entry(what(judged)).or_default() += 1;
    }

    /// Whether that rule is broken by that content in the ledger, too.
    pub(super) fn knows(&self, digest: &str, rule: &str) -> bool {
        let lines = self.lines.get(digest).into_iter().flat_map(BTreeMap::keys);
        lines
            .filter_map(|line| line.rsplit_once("  "))
            .any(|(_, rules)| rules.split(' ').any(|known| known == rule))
    }

    /// Reads the ledger, if there is one and it is of those inputs (or asked for by name).
    pub(super) fn read(path: &Path, inputs: Option<&str>) -> Result<Option<Self>, Stop> {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(found) if found.len() > LEDGER_BYTES_MAX => {
                return Err(Stop::usage(format!("{} is too long for a ledger", path.display())));
            }
            _ => {}
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| Stop::usage(format!("failed to read {}: {error}", path.display())))?;
        let text = text.replace("\r\n", "\n");
        let not_one = |line: usize| {
            Stop::usage(format!(
                "{}:{line}: is not a line of a ledger; --accept writes it anew",
                path.display()
            ))
        };
        let mut lines = text.lines().zip(1..);
        if lines.next().is_none_or(|(title, _)| title != TITLE) {
            return Err(Stop::usage(format!(
                "{} is not a ledger of probity check",
                path.display()
            )));
        }
        let of = text.lines().nth(1).and_then(|line| line.strip_prefix("# inputs: "));
        if inputs.is_some_and(|inputs| of != Some(inputs)) {
            return Ok(None);
        }
        let mut ledger = Self::default();
        for (line, number) in lines.filter(|(line, _)| !line.starts_with('#') && !line.is_empty()) {
            let (id, rest) = line.split_once("  ").ok_or_else(|| not_one(number))?;
            let (what, times) = rest.rsplit_once("  ×").ok_or_else(|| not_one(number))?;
            let times = times.parse().map_err(|_| not_one(number))?;
            ledger.lines.entry(id.to_owned()).or_default().insert(what.to_owned(), times);
        }
        Ok(Some(ledger))
    }

    pub(super) fn write(&self, path: &Path, inputs: &str) -> Result<(), Stop> {
        let mut text = format!("{TITLE}\n# inputs: {inputs}\n");
        for (id, lines) in &self.lines {
            for (what, times) in lines {
                text.push_str(&format!("{id}  {what}  ×{times}\n"));
            }
        }
        std::fs::write(path, text).map_err(|error| failed(path, &error))
    }

    /// What differs from what was accepted, a line each, in the order of the ids.
    pub(super) fn differences(&self, before: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        for (id, lines) in &self.lines {
            match before.lines.get(id) {
                None => differences.push(format!("+ {id}  {}", shown(lines))),
                Some(old) if old != lines => {
                    differences.push(format!("- {id}  {}", shown(old)));
                    differences.push(format!("+ {id}  {}", shown(lines)));
                }
                Some(_) => {}
            }
        }
        for (id, lines) in before.lines.iter().filter(|(id, _)| !self.lines.contains_key(*id)) {
            differences.push(format!("- {id}  {}", shown(lines)));
        }
        differences
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }
}

/// The ledger that a run is held against, and where a new one goes.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) path: PathBuf,
    pub(super) accepted: Option<Ledger>,
}

/// Of the content: the request without its head where there is one, for the same answers come in other words.
pub(super) fn digest(asked: Option<&Asked>, answered: Option<&Answered>) -> String {
    let mut hasher = Sha256::new();
    match (asked, answered) {
        (Some(asked), _) => {
            let Request { method, target, body, .. } = &asked.request;
            hasher.update(format!("{method} {target}\n"));
            hasher.update(canonical(&body.to_bytes()));
        }
        (None, Some(answered)) => {
            let body = answered.reply().map(|reply| reply.body.clone()).unwrap_or_default();
            hasher.update(canonical(&body));
        }
        (None, None) => {}
    }
    let digest: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    digest[..DIGEST_CHARS].to_owned()
}

/// JSON without what its author's habits put in: space, and the order of members.
fn canonical(body: &[u8]) -> Vec<u8> {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => sorted(&value).to_string().into_bytes(),
        Err(_) => body.to_vec(),
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(elements) => elements.iter().map(sorted).collect(),
        Value::Object(members) => {
            let members: BTreeMap<_, _> = members.iter().collect();
            members.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect()
        }
        other => other.clone(),
    }
}

/// `messages.create  streamed 200  rule-a rule-b`.
fn what(judged: &Judged) -> String {
    let operation = judged.operation.map_or("unknown", |operation| operation.name());
    let kind = if judged.has_request { "" } else { " (answer)" };
    let class =
        judged.class.map_or_else(|| "unanswered".to_owned(), |class| class.name().to_owned());
    let status = judged.status.map(|status| format!(" {status}")).unwrap_or_default();
    let mut rules: Vec<_> = judged.faults.iter().map(|fault| fault.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    let rules = if rules.is_empty() { "clean".to_owned() } else { rules.join(" ") };
    format!("{operation}{kind}  {class}{status}  {rules}")
}

fn shown(lines: &BTreeMap<String, u64>) -> String {
    let lines = lines.iter().map(|(what, times)| format!("{what}  ×{times}"));
    lines.collect::<Vec<_>>().join("; ")
}
