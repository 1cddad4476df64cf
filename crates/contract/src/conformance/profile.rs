//! What the author of a server says about it: which model it knows, what it leaves out, what it does differently.
//!
//! A declaration is a promise to people who read it, so each has a reason, and one that is not true is a finding: the
//! feature works, or nothing that was tolerated happened. The price is that a profile has to be kept.

use serde::Deserialize;

use super::feature::{Feature, Features};

/// At the end of a rule's name: whatever follows.
const ANYTHING: char = '*';

/// The file. Unknown keys are errors.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    pub target: Option<About>,
    /// The model that cases name in place of their own.
    pub model: Option<String>,
    /// The model of the contract whose limits that model has.
    pub stands_for: Option<String>,
    #[serde(default)]
    pub unsupported: Vec<Unsupported>,
    #[serde(default)]
    pub tolerated: Vec<Tolerated>,
}

/// Whose profile it is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct About {
    pub name: String,
    pub version: Option<String>,
    pub url: Option<String>,
}

/// A feature, or what one rule demands, that the server does not have.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Unsupported {
    #[serde(flatten)]
    pub what: What,
    pub reason: String,
    pub link: Option<String>,
}

/// A rule that the server breaks, knowingly.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Tolerated {
    /// One rule, or all that begin so: `refuses/*`.
    pub rule: String,
    pub reason: String,
    pub link: Option<String>,
}

/// What a declaration is about.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum What {
    Feature(Feature),
    Rule(String),
}

/// One declaration, whichever list it stands in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Declaration<'a> {
    pub what: What,
    pub reason: &'a str,
    pub link: Option<&'a str>,
}

impl Profile {
    /// Reads the TOML; the error shows line and column.
    pub fn parse(text: &str) -> Result<Self, String> {
        let profile: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut seen: Vec<What> = Vec::new();
        for declaration in profile.declarations() {
            if declaration.reason.trim().is_empty() {
                return Err(format!(
                    "the declaration of {} has no reason",
                    declaration.what.text()
                ));
            }
            if !declaration.what.is_readable() {
                return Err(format!(
                    "{}: a `*` stands at the end, for the rest",
                    declaration.what.text()
                ));
            }
            if seen.contains(&declaration.what) {
                return Err(format!("{} is declared twice", declaration.what.text()));
            }
            seen.push(declaration.what);
        }
        if profile.stands_for.is_some() && profile.model.is_none() {
            return Err("`stands_for` says what `model` stands for, and there is none".to_owned());
        }
        Ok(profile)
    }

    pub fn declarations(&self) -> impl Iterator<Item = Declaration<'_>> {
        let unsupported = self.unsupported.iter().map(|entry| Declaration {
            what: entry.what.clone(),
            reason: &entry.reason,
            link: entry.link.as_deref(),
        });
        let tolerated = self.tolerated.iter().map(|entry| Declaration {
            what: What::Rule(entry.rule.clone()),
            reason: &entry.reason,
            link: entry.link.as_deref(),
        });
        unsupported.chain(tolerated)
    }

    /// The reason why one of these features is left out.
    pub fn leaves_out(&self, features: Features) -> Option<(Feature, &str)> {
        self.unsupported.iter().find_map(|entry| match entry.what {
            What::Feature(feature) if features.has(feature) => Some((feature, &*entry.reason)),
            _ => None,
        })
    }

    /// The reason why the rule of that name is broken: of a request (`tool-result-unpaired`) or an answer
    /// (`stream/no-message-stop`).
    pub fn tolerates(&self, rule: &str) -> Option<&str> {
        self.declarations()
            .find(|declaration| declaration.what.covers(rule))
            .map(|declaration| declaration.reason)
    }

    /// What is declared of many rules at once.
    pub fn wholesale(&self) -> impl Iterator<Item = What> {
        self.declarations().map(|declaration| declaration.what).filter(What::is_wholesale)
    }
}

impl What {
    /// As it stands in messages: `feature batches`.
    pub fn text(&self) -> String {
        match self {
            Self::Feature(feature) => format!("feature `{feature}`"),
            Self::Rule(rule) => format!("rule `{rule}`"),
        }
    }

    /// As a person says it.
    pub fn title(&self) -> &str {
        match self {
            Self::Feature(feature) => feature.title(),
            Self::Rule(rule) => rule,
        }
    }

    /// As profiles and reports write it.
    pub fn name(&self) -> &str {
        match self {
            Self::Feature(feature) => feature.name(),
            Self::Rule(rule) => rule,
        }
    }

    /// Whether it is about the rule of that name.
    pub fn covers(&self, rule: &str) -> bool {
        match self {
            Self::Feature(_) => false,
            Self::Rule(name) => match name.strip_suffix(ANYTHING) {
                Some(start) => rule.starts_with(start),
                None => name == rule,
            },
        }
    }

    fn is_wholesale(&self) -> bool {
        matches!(self, Self::Rule(rule) if rule.ends_with(ANYTHING))
    }

    /// Whether all that stands before the end of a rule is meant as it is.
    fn is_readable(&self) -> bool {
        match self {
            Self::Feature(_) => true,
            Self::Rule(rule) => !rule.strip_suffix(ANYTHING).unwrap_or(rule).contains(ANYTHING),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
model = "acme-large"
stands_for = "claude-sonnet-5"
[target]
name = "Acme gateway"
version = "2.1"
[[unsupported]]
feature = "batches"
reason = "Answers are made while you wait."
link = "https://acme.example/docs#limits"
[[unsupported]]
rule = "tool-result-unpaired"
reason = "Results without a call are dropped."
[[tolerated]]
rule = "response/request-id-missing"
reason = "Ids are in x-acme-id."
"#;

    #[test]
    fn a_profile_is_read_whole() {
        let profile = Profile::parse(WHOLE).unwrap();
        assert_eq!(profile.declarations().count(), 3);
        let of = |feature| [feature].into_iter().collect();
        assert!(profile.leaves_out(of(Feature::Batches)).is_some());
        assert!(profile.leaves_out(of(Feature::Images)).is_none());
        assert_eq!(profile.tolerates("response/request-id-missing"), Some("Ids are in x-acme-id."));
        assert!(profile.tolerates("tool-result-unpaired").is_some());
        assert_eq!(profile.wholesale().count(), 0);
        assert_eq!(Profile::parse(""), Ok(Profile::default()));
    }

    #[test]
    fn a_family_of_rules_is_declared_in_a_line() {
        let text = "[[tolerated]]\nrule = \"refuses/*\"\nreason = \"Nothing is checked.\"";
        let profile = Profile::parse(text).unwrap();
        assert_eq!(profile.tolerates("refuses/required"), Some("Nothing is checked."));
        assert_eq!(profile.tolerates("required"), None);
        assert_eq!(profile.wholesale().count(), 1);
        check(&text.replace("refuses/*", "*/null"), &["a `*` stands at the end"]);
    }

    fn check(text: &str, parts: &[&str]) {
        let error = Profile::parse(text).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_is_shown_with_its_place() {
        check("modle = \"x\"", &["line 1", "modle", "^"]);
        check("[[unsupported]]\nfeature = \"bathces\"\nreason = \"r\"", &["bathces", "batches"]);
        check("[[unsupported]]\nfeature = \"batches\"", &["line 1", "reason"]);
        check("[[unsupported]]\nreason = \"r\"", &["line 1"]);
        check("[[unsupported]]\nfeature = \"batches\"\nrule = \"x\"\nreason = \"r\"", &["line 1"]);
        check("[[tolerated]]\nrule = \"x\"\nreason = \" \"", &["rule `x` has no reason"]);
        let twice = "[[tolerated]]\nrule = \"x\"\nreason = \"r\"\n";
        check(&twice.repeat(2), &["rule `x` is declared twice"]);
        check("stands_for = \"x\"", &["there is none"]);
    }
}
