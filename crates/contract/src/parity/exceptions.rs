//! Differences that are meant, as data, each with a reason; one that covers nothing is stale.

use serde::Deserialize;
use wildmatch::WildMatch;

use super::{Comparison, Difference, Side};

/// The file as written, a list of `[[exception]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exceptions {
    #[serde(default, rename = "exception")]
    pub entries: Vec<Exception>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Who alone says it.
    pub side: Side,
    /// The place, with `*` and `?`.
    #[serde(rename = "where")]
    pub place: String,
    /// What is said there: `field temperature`, `literal max`, with `*` and `?`. Each must cover something.
    pub what: Vec<String>,
    pub reason: String,
}

/// The differences, sorted out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Settled {
    /// With the index of the exception that covers it.
    pub excepted: Vec<(Difference, usize)>,
    pub open: Vec<Difference>,
    /// Patterns that cover nothing.
    pub stale: Vec<String>,
}

impl Exceptions {
    /// The error names line and column.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        match read.entries.iter().find(|exception| exception.reason.trim().is_empty()) {
            Some(exception) => Err(format!("the exception for {} has no reason", exception.place)),
            None => Ok(read),
        }
    }

    /// The first pattern that covers a difference counts as used, and no other.
    pub fn settle(&self, comparison: &Comparison) -> Settled {
        let mut settled = Settled::default();
        let mut patterns = Vec::new();
        for (index, exception) in self.entries.iter().enumerate() {
            for what in &exception.what {
                patterns.push((index, exception, what, false));
            }
        }
        for difference in &comparison.differences {
            let covering = patterns.iter_mut().find(|(_, exception, what, _)| {
                let said = format!("{} {}", difference.fact.kind.name(), difference.fact.name);
                exception.side == difference.side
                    && WildMatch::new(&exception.place).matches(&difference.fact.place)
                    && WildMatch::new(what).matches(&said)
            });
            match covering {
                Some((index, _, _, used)) => {
                    *used = true;
                    settled.excepted.push((difference.clone(), *index));
                }
                None => settled.open.push(difference.clone()),
            }
        }
        let stale = patterns.iter().filter(|(_, _, _, used)| !used);
        settled
            .stale
            .extend(stale.map(|(_, exception, what, _)| format!("{}: {what}", exception.place)));
        settled
    }
}
