//! What all renderers of a target's conformance ask: what it is called, what it keeps, and what shows that it does not.

use classify::stream;
use contract::conformance::feature::Feature;
use contract::conformance::standing::{Row, Standing};
use contract::level::Level;
use contract::response;
use wire::journal::Scope;
use wire::target::Key;

use crate::curl::quote;
use crate::explain::{Entry, Kind};
use crate::report::Head;
use crate::target::Conformance;
use crate::target::specimen::Specimen;

/// A run against a target, and what it takes to tell it.
pub struct Told<'a> {
    pub head: &'a Head,
    pub conformance: &'a Conformance,
    /// What words mean.
    pub entries: &'a [Entry],
    /// What must not be told.
    pub key: &'a Key,
    pub scope: &'a Scope,
    pub cases: usize,
    /// Whether the plan was carried out to its end.
    pub is_complete: bool,
}

/// A row that is wrong, and everything there is to say about it.
pub(super) struct Breach<'a> {
    pub(super) row: &'a Row,
    pub(super) level: Level,
    pub(super) entry: Option<&'a Entry>,
    /// Public reports of servers that broke it.
    pub(super) seen: &'static [&'static str],
    pub(super) specimen: Option<&'a Specimen>,
}

impl Told<'_> {
    /// Its name and version if its author says so, else its address.
    pub(super) fn name(&self) -> String {
        match &self.conformance.profile.target {
            Some(about) => match &about.version {
                Some(version) => format!("{} {version}", about.name),
                None => about.name.clone(),
            },
            None => self.head.target.clone(),
        }
    }

    /// The strongest level that it keeps. Each has all that the weaker ones demand.
    pub(super) fn kept(&self) -> Option<Level> {
        let kept = self.conformance.levels.iter().take_while(|standing| standing.holds());
        kept.last().map(|standing| standing.level)
    }

    /// Whether every case was meant and tried: only then a level that holds is more than a hope.
    pub(super) fn is_whole(&self) -> bool {
        let Scope { filter, max_cases, shard, .. } = self.scope;
        self.is_complete && filter.is_empty() && max_cases.is_none() && shard.is_none()
    }

    /// What makes the run once more.
    pub(super) fn command(&self) -> String {
        let Conformance { profile, profile_path, facts, level, upstream, .. } = self.conformance;
        let mut command = self.head.replay.replacen("probity replay", "probity contract", 1);
        let mut push = |flag: &str, value: &str| command += &format!(" {flag} {}", quote(value));
        if let Some(path) = profile_path {
            push("--profile", &path.to_string_lossy());
        }
        if let Some(model) = facts.model.as_deref().filter(|_| profile.model.is_none()) {
            push("--model", model);
            if let Some(known) = facts.stands_for.as_deref().filter(|known| *known != model) {
                push("--stands-for", known);
            }
        }
        if *level != Level::Strict {
            push("--level", level.name());
        }
        if let Some(address) = upstream {
            push("--upstream-mock", &address.to_string());
        }
        for glob in &self.scope.filter {
            push("--filter", glob);
        }
        if let Some(cases) = self.scope.max_cases {
            push("--max-cases", &cases.to_string());
        }
        if let Some(shard) = &self.scope.shard {
            push("--shard", shard);
        }
        command
    }

    /// What is wrong, by the level that it breaks, weakest first.
    pub(super) fn breaches(&self) -> Vec<Breach<'_>> {
        let rows = self.conformance.rows.iter();
        let wrong = rows.filter(|row| row.standing == Standing::SilentlyWrong);
        let mut breaches: Vec<_> = wrong.map(|row| self.breach(row)).collect();
        // Sorting is stable: of one level they stay as they are.
        breaches.sort_by_key(|breach| breach.level);
        breaches
    }

    fn breach<'a>(&'a self, row: &'a Row) -> Breach<'a> {
        let word = word(&row.id);
        let is_meant = |entry: &&Entry| {
            if row.id.starts_with("refuses/") {
                let kinds = [Kind::Rule, Kind::Family, Kind::External];
                kinds.contains(&entry.kind) && entry.answers_to(word)
            } else {
                entry.id == row.id
            }
        };
        let seen = response::find(&row.id).map(|rule| rule.seen);
        let seen = seen.or_else(|| stream::Rule::parse(&row.id).map(stream::Rule::seen));
        Breach {
            row,
            level: row.level.unwrap_or(Level::Strict),
            entry: self.entries.iter().find(is_meant),
            seen: seen.unwrap_or_default(),
            specimen: self.conformance.specimens.of(row),
        }
    }
}

impl Breach<'_> {
    /// What the rule demands.
    pub(super) fn demand(&self) -> String {
        let id = &self.row.id;
        if let Some(name) = id.strip_prefix("accepts/") {
            let feature = Feature::all().find(|feature| feature.name() == name);
            let title = feature.map_or(name, |feature| feature.title());
            return format!("A valid request is served. What these have in common: {title}.");
        }
        match self.entry {
            Some(entry) => match entry.names.get(word(id)) {
                Some(what) => format!("{} Here: {what}.", entry.text),
                None => entry.text.clone(),
            },
            None if id.starts_with("refuses/") => {
                format!("A request that breaks `{}` is refused.", word(id))
            }
            None => format!("`{id}` is kept."),
        }
    }

    /// The word that `probity explain` knows it by.
    pub(super) fn word(&self) -> Option<&str> {
        self.entry.map(|_| word(&self.row.id))
    }

    /// Whose fault it is, and how often.
    pub(super) fn blames(&self) -> String {
        let blames: Vec<_> =
            self.row.blames.iter().map(|(blame, count)| format!("{blame} {count}")).collect();
        blames.join(", ")
    }
}

/// Who needs a level.
pub(super) fn meaning(level: Level) -> &'static str {
    match level {
        Level::AgentReady => {
            "What an agent loop cannot do without: the text, whole tool calls, stop reasons, what an error is, when to retry."
        }
        Level::Compatible => {
            "What the documented clients read: envelopes, ids, usage, headers, the order and names of events."
        }
        Level::Strict => "Everything that the contract promises.",
    }
}

fn word(id: &str) -> &str {
    id.strip_prefix("refuses/").unwrap_or(id)
}
