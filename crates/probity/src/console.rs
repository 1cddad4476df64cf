//! How text reaches people: colour, width, numbers, and one place that writes.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use crate::cli::When;

/// Wider lines are hard to follow.
const WIDTH_MAX: usize = 120;
/// Narrower terminals wrap as they like.
const WIDTH_MIN: usize = 60;
/// Where nobody says how wide the paper is.
const WIDTH_USUAL: usize = 80;

/// Colours, or none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Paint {
    pub on: bool,
}

impl Paint {
    /// As the flag, then the environment, then the terminal says.
    pub fn decide(when: When) -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_forced =
            is_set("CLICOLOR_FORCE") && std::env::var("CLICOLOR_FORCE").as_deref() != Ok("0");
        let on = match when {
            When::Always => true,
            When::Never => false,
            When::Auto if is_set("NO_COLOR") => false,
            When::Auto => is_forced || io::stdout().is_terminal(),
        };
        Self { on }
    }

    pub fn bold(self, text: impl fmt::Display) -> String {
        self.wrap("1", text)
    }

    pub fn dim(self, text: impl fmt::Display) -> String {
        self.wrap("2", text)
    }

    pub fn red(self, text: impl fmt::Display) -> String {
        self.wrap("31", text)
    }

    pub fn green(self, text: impl fmt::Display) -> String {
        self.wrap("32", text)
    }

    pub fn yellow(self, text: impl fmt::Display) -> String {
        self.wrap("33", text)
    }

    fn wrap(self, code: &str, text: impl fmt::Display) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// The width to write for.
pub fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    columns.or_else(terminal).unwrap_or(WIDTH_USUAL).clamp(WIDTH_MIN, WIDTH_MAX)
}

/// Whether somebody watches, so that a progress bar is not noise in a log.
pub fn is_watched() -> bool {
    io::stderr().is_terminal() && !is_ci()
}

/// Whether this is a CI job.
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// Writes to standard output. A reader that has left (`| head`) is no error.
pub fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _reader_may_have_left = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes to standard error.
pub fn complain(text: &str) {
    let mut out = io::stderr().lock();
    let _reader_may_have_left = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// `12345` as `12,345`.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 case`, `2 cases`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// The text broken at spaces to lines of that width, each after the indent.
pub fn fold(text: &str, width: usize, indent: &str) -> String {
    let mut lines = vec![indent.to_owned()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("it begins with one");
        let is_empty = line.len() == indent.len();
        if !is_empty && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(format!("{indent}{word}"));
        } else {
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lines_are_readable() {
        assert_eq!([0, 999, 1000, 1234567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 2].map(|n| count(n, "case")), ["1 case", "2 cases"]);
        assert_eq!(fold("aa bb cc", 7, "  "), "  aa bb\n  cc");
        assert_eq!(fold("", 7, "  "), "  ");
    }
}
