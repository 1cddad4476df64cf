//! Exit codes: one table, one order of precedence, mapped once in `main`.

use std::fmt;
use std::process::ExitCode;

use contract::spec::SpecError;
use wire::record::secrets::{Secrets, is_telling};
use wire::target::Key;

/// How the tool ends. The codes are a promise to scripts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    Clean,
    /// The target, a client or the harness's own evidence does not agree with the contract.
    Findings,
    /// Usage, configuration or spec error.
    Usage,
    /// Nothing was checked, or the target could not be reached.
    NotChecked,
    /// Snapshots are pending review.
    Pending,
    /// The budget was exhausted before the plan was done.
    Exhausted,
    /// A mistake of our own.
    Internal,
    Interrupted,
}

impl Exit {
    /// When several apply, the first of these.
    const PRECEDENCE: [Self; 7] = [
        Self::Interrupted,
        Self::Internal,
        Self::Usage,
        Self::NotChecked,
        Self::Findings,
        Self::Exhausted,
        Self::Pending,
    ];

    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::NotChecked => 3,
            Self::Pending => 4,
            Self::Exhausted => 5,
            Self::Internal => 70,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why the tool does not end clean.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stop {
    pub exit: Exit,
    /// For people: what is wrong, and where.
    pub reason: String,
}

impl Stop {
    pub fn new(exit: Exit, reason: impl Into<String>) -> Self {
        Self { exit, reason: reason.into() }
    }

    pub fn usage(reason: impl Into<String>) -> Self {
        Self::new(Exit::Usage, reason)
    }
}

impl From<SpecError> for Stop {
    fn from(error: SpecError) -> Self {
        Self::usage(error.to_string())
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.trim_end())
    }
}

impl std::error::Error for Stop {}

/// Of all reasons the one that decides; none is a clean run.
pub fn decide(reasons: &[Stop]) -> Option<&Stop> {
    Exit::PRECEDENCE.iter().find_map(|exit| reasons.iter().find(|reason| reason.exit == *exit))
}

/// Makes a panic an honest exit: it says that the mistake is ours. A backtrace is printed only where the user asked.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let said = info.payload().downcast_ref::<&str>().map(|said| (*said).to_owned());
        let said =
            said.or_else(|| info.payload().downcast_ref::<String>().cloned()).unwrap_or_default();
        say_internal(&without_keys(&format!("{said} (at {place})")));
        std::process::exit(i32::from(Exit::Internal.code()));
    }));
}

/// What the tool says last, without keys: words of a user or of a file may hold one where none belongs. Keys are
/// known by their shape, by their names in lines that a file's reader shows, and as those of the environment.
pub fn without_keys(text: &str) -> String {
    let mut clean = Secrets::default().scrub(text);
    for name in KEY_VARIABLES {
        if let Ok(key) = std::env::var(name) {
            clean = Key::new(key).scrub(&clean).into_owned();
        }
    }
    let lines = clean.split('\n').map(|line| match line.split_once('=') {
        Some((name, _)) if is_shown_setting(name) => format!("{name}= …"),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where clients of the API keep their keys.
const KEY_VARIABLES: [&str; 2] = ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"];

/// `12 | api_key `, as the reader of a configuration shows the line that it does not understand.
fn is_shown_setting(name: &str) -> bool {
    let number_and_name = name.split_once('|');
    number_and_name
        .is_some_and(|(number, name)| number.trim().parse::<u32>().is_ok() && is_telling(name))
}

#[expect(clippy::print_stderr, reason = "the last words of a panic have no other way out")]
fn say_internal(what: &str) {
    eprintln!("probity: internal error: {what}");
    if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
        eprintln!("{}", std::backtrace::Backtrace::force_capture());
    }
    eprintln!(
        "This is a mistake in probity itself; please report it with the command line (RUST_BACKTRACE=1 adds a backtrace)."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(exits: &[Exit], expected: Option<u8>) {
        let reasons: Vec<_> = exits.iter().map(|exit| Stop::new(*exit, "")).collect();
        assert_eq!(decide(&reasons).map(|reason| reason.exit.code()), expected);
    }

    #[test]
    fn the_first_in_order_decides() {
        use Exit::{Exhausted, Findings, Internal, Interrupted, NotChecked, Pending, Usage};
        check(&[], None);
        check(&[Pending], Some(4));
        check(&[Pending, Exhausted], Some(5));
        check(&[Pending, Findings, Exhausted], Some(1));
        check(&[Findings, NotChecked], Some(3));
        check(&[NotChecked, Usage], Some(2));
        check(&[Usage, Internal], Some(70));
        check(&[Internal, Interrupted], Some(130));
    }
}
