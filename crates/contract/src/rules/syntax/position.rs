//! Places in a body that is not JSON.

use std::fmt;

/// A place in a text, counted the way the API does: lines and columns from one, characters from zero.
pub(super) struct Position {
    line: usize,
    column: usize,
    character: usize,
}

impl Position {
    pub(super) fn at(before: &[u8]) -> Self {
        let before = String::from_utf8_lossy(before);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { line: before.matches('\n').count() + 1, column, character: before.chars().count() }
    }

    pub(super) fn of(text: &str, error: &serde_json::Error) -> Self {
        Self::at(&text.as_bytes()[..refused(text, error)])
    }
}

/// The byte that was refused. At the end of the text `serde_json` points at the last one read instead.
pub(super) fn refused(text: &str, error: &serde_json::Error) -> usize {
    if error.is_eof() {
        return text.len();
    }
    let earlier: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    (earlier + error.column().saturating_sub(1)).min(text.len())
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} column {} (char {})", self.line, self.column, self.character)
    }
}
