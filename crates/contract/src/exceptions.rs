//! Known deviations as data, each with a quote and a reason; one that excuses nothing is reported as stale, so
//! that no entry outlives its reason.

use serde::Deserialize;
use wildmatch::WildMatch;

use crate::judge::{Record, Verdict};

/// The list, and which of its entries were used.
#[derive(Debug, Default)]
pub struct Exceptions {
    entries: Vec<(Exception, WildMatch, u64)>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Case ids, with `*` and `?`.
    pub case: String,
    /// The class that is accepted; any if absent.
    pub class: Option<String>,
    /// The sentence of the contract that is deviated from.
    pub quote: String,
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "exception")]
    exceptions: Vec<Exception>,
}

impl Exceptions {
    /// Reads a TOML list of `[[exception]]`. The error names line and column.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut list = Self::default();
        for exception in file.exceptions {
            if let Some(class) =
                exception.class.as_deref().filter(|class| classify::Class::parse(class).is_none())
            {
                return Err(format!(
                    "exception for `{}`: there is no class `{class}`",
                    exception.case
                ));
            }
            if list
                .entries
                .iter()
                .any(|(other, _, _)| other.case == exception.case && other.class == exception.class)
            {
                return Err(format!("exception for `{}` stands there twice", exception.case));
            }
            let pattern = WildMatch::new(&exception.case);
            list.entries.push((exception, pattern, 0));
        }
        Ok(list)
    }

    /// Turns a drift that an entry covers into an excused one.
    pub fn excuse(&mut self, record: &mut Record) {
        if record.verdict != Verdict::Drift {
            return;
        }
        let class = record.class.name();
        let covers = |exception: &Exception, pattern: &WildMatch| {
            pattern.matches(&record.id.0)
                && exception.class.as_deref().is_none_or(|accepted| accepted == class)
        };
        if let Some((_, _, used)) =
            self.entries.iter_mut().find(|(exception, pattern, _)| covers(exception, pattern))
        {
            *used += 1;
            record.verdict = Verdict::Excused;
        }
    }

    /// Entries that excused nothing.
    pub fn stale(&self) -> impl Iterator<Item = &Exception> {
        self.entries.iter().filter(|(_, _, used)| *used == 0).map(|(exception, _, _)| exception)
    }
}
