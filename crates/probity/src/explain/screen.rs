//! Explanations for a terminal.

use super::entry::{Entry, Example, Kind, Line};
use crate::console::{Paint, fold};

/// Prose on wider lines is hard to read.
const PROSE_WIDTH_MAX: usize = 96;
const INDENT: &str = "  ";
/// The column of values after their labels.
const LABEL_CHARS: usize = 12;

/// How to write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    pub(super) width: usize,
    pub(super) paint: Paint,
}

impl Screen {
    /// One entry whole. The word that led here is named if it stands for a case of the entry.
    pub(super) fn entry(self, entry: &Entry, word: &str) -> String {
        let paint = self.paint;
        let mut text = format!(
            "{} {}\n\n",
            paint.bold(&entry.id),
            paint.dim(format!("({})", entry.kind.name()))
        );
        text += &self.prose(&entry.text, INDENT);
        if let Some(does) = entry.names.get(word).filter(|_| word != entry.id) {
            text +=
                &format!("\n{}", self.prose(&format!("Its mutation `{word}` is {does}."), INDENT));
        }
        text.push('\n');
        for fact in &entry.facts {
            text += &self.labelled(fact.label, &fact.value);
        }
        text += &self.names(entry);
        for example in &entry.examples {
            text += &self.example(entry, example);
        }
        let related = entry.related.join(", ");
        let last = [
            ("remedy", &*entry.remedy),
            ("source", &*entry.source),
            ("open", entry.question.unwrap_or_default()),
            ("see also", &*related),
        ];
        if !entry.examples.is_empty() || !entry.names.is_empty() {
            text.push('\n');
        }
        for (label, value) in last.into_iter().filter(|(_, value)| !value.is_empty()) {
            text += &self.labelled(label, value);
        }
        text
    }

    /// All entries by kind, a line each.
    pub(super) fn list(self, entries: &[Entry]) -> String {
        let mut text = String::new();
        for kind in Kind::ALL {
            let of_kind: Vec<_> = entries.iter().filter(|entry| entry.kind == kind).collect();
            let heading = self.paint.bold(format!("{} ({})", kind.heading(), of_kind.len()));
            text += &format!("{heading}\n");
            let widest = of_kind.iter().map(|entry| entry.id.len()).max().unwrap_or_default();
            for entry in of_kind {
                let room = self.width.saturating_sub(INDENT.len() + widest + 2);
                let summary = self.paint.dim(clip(&bare(entry.summary()), room));
                text += &format!("{INDENT}{:widest$}  {summary}\n", entry.id);
            }
            text.push('\n');
        }
        text + "`probity explain ID` explains one of them.\n"
    }

    fn prose(self, text: &str, indent: &str) -> String {
        let folded = fold(text, self.width.min(PROSE_WIDTH_MAX), indent);
        format!("{}\n", self.code(&folded))
    }

    fn labelled(self, label: &str, value: &str) -> String {
        let hang = " ".repeat(INDENT.len() + LABEL_CHARS);
        let folded = fold(value, self.width.min(PROSE_WIDTH_MAX), &hang);
        let label = self.paint.dim(format!("{label:LABEL_CHARS$}"));
        format!("{INDENT}{label}{}\n", self.code(folded.trim_start()))
    }

    fn names(self, entry: &Entry) -> String {
        let widest = entry.names.keys().map(|name| name.len()).max().unwrap_or_default();
        let mut text = String::new();
        if !entry.names.is_empty() {
            text += &format!("\n{INDENT}{}\n", self.paint.dim("mutations"));
        }
        for (name, does) in &entry.names {
            text += &format!("{INDENT}{INDENT}{name:widest$}  {}\n", self.code(does));
        }
        text
    }

    fn example(self, entry: &Entry, example: &Example) -> String {
        let of =
            if example.name == entry.id { String::new() } else { format!(" ({})", example.name) };
        let mut text = String::new();
        for (title, mark, lines) in
            [("refused", '-', &example.refused), ("taken", '+', &example.taken)]
        {
            text += &format!("\n{INDENT}{}\n\n", self.paint.dim(format!("{title}{of}")));
            for line in lines {
                text += &self.line(mark, line);
                text.push('\n');
            }
        }
        text
    }

    fn line(self, mark: char, line: &Line) -> String {
        match (line.differs, mark) {
            (false, _) => format!("{INDENT}  {}", line.text).trim_end().to_owned(),
            (true, '-') => format!("{INDENT}{}", self.paint.red(format!("- {}", line.text))),
            (true, _) => format!("{INDENT}{}", self.paint.green(format!("+ {}", line.text))),
        }
    }

    /// What stands in backticks, in colour in their place; without colour as it is.
    fn code(self, text: &str) -> String {
        if !self.paint.on {
            return text.to_owned();
        }
        let pieces = text.split('`').enumerate();
        pieces
            .map(
                |(idx, piece)| {
                    if idx % 2 == 1 { self.paint.yellow(piece) } else { piece.to_owned() }
                },
            )
            .collect()
    }
}

/// The text without backticks, for lists.
fn bare(text: &str) -> String {
    text.replace('`', "")
}

/// The text, or as many whole clauses of it as there is room for, or else as many words.
pub(super) fn clip(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let fits: String = text.chars().take(room).collect();
    let clause = fits.rfind([':', ';']).filter(|end| room / 2 < *end);
    if let Some(end) = clause {
        return format!("{}.", &fits[..end]);
    }
    let words: String = text.chars().take(room.saturating_sub(1)).collect();
    let end = words.rfind(' ').unwrap_or(words.len());
    format!("{}…", words[..end].trim_end_matches([',', ':', ';']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, room: usize, expected: &str) {
        let clipped = clip(text, room);
        assert_eq!(clipped, expected);
        assert!(clipped.chars().count() <= room);
    }

    #[test]
    fn a_summary_is_clipped_where_it_reads_best() {
        check("It fits.", 8, "It fits.");
        check("The name is unknown: the API does not say why.", 30, "The name is unknown.");
        check("One two three four", 12, "One two…");
        check("A: one two three four five six", 20, "A: one two three…");
    }
}
