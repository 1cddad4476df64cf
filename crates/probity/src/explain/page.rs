//! All explanations as one page for a code host.

use std::fmt::Write as _;

use super::entry::{Entry, Example, Kind};

/// The page, whole.
pub(super) fn page(entries: &[Entry]) -> String {
    let mut text = String::from(HEAD);
    for kind in Kind::ALL {
        let count = entries.iter().filter(|entry| entry.kind == kind).count();
        let heading = kind.heading();
        let _ = writeln!(text, "- [{heading}](#{}) ({count}): {}", anchor(heading), kind.says());
    }
    for kind in Kind::ALL {
        let of_kind: Vec<_> = entries.iter().filter(|entry| entry.kind == kind).collect();
        let _ = writeln!(text, "\n## {}\n\n{}\n", kind.heading(), kind.says());
        let _ = writeln!(text, "| {} | |\n|---|---|", kind.name());
        for entry in &of_kind {
            let summary = entry.summary().replace('|', "\\|");
            let _ = writeln!(text, "| {} | {summary} |", link(&entry.id));
        }
        for entry in of_kind {
            write_entry(&mut text, entry);
        }
    }
    text
}

const HEAD: &str = "\
# Explanations

Every word that probity reports: what it demands or means, why, and what to do.
`probity explain ID` shows one of them in a terminal.

This page is generated: `probity explain --page > specs/EXPLAINED.md` renews it.

";

fn write_entry(text: &mut String, entry: &Entry) {
    let _ = writeln!(text, "\n### `{}`\n\n{}\n", entry.id, sentences(&entry.text));
    for fact in &entry.facts {
        write_item(text, fact.label, &linked(&fact.value, fact.label));
    }
    let related: Vec<_> = entry.related.iter().map(|id| link(id)).collect();
    let last = [
        ("remedy", entry.remedy.clone()),
        ("source", entry.source.clone()),
        ("open question", entry.question.unwrap_or_default().to_owned()),
        ("see also", related.join(", ")),
    ];
    for (label, value) in last.iter().filter(|(_, value)| !value.is_empty()) {
        write_item(text, label, value);
    }
    if !entry.names.is_empty() {
        let _ = writeln!(text, "\n| mutation | |\n|---|---|");
        for (name, does) in &entry.names {
            let _ = writeln!(text, "| `{name}` | {does} |");
        }
    }
    for example in &entry.examples {
        write_example(text, entry, example);
    }
}

fn write_item(text: &mut String, label: &str, value: &str) {
    let _ = writeln!(text, "- **{label}**: {}", sentences(value).replace('\n', "\n  "));
}

fn write_example(text: &mut String, entry: &Entry, example: &Example) {
    let of = if example.name == entry.id { String::new() } else { format!(": {}", example.name) };
    let _ = writeln!(text, "\n<details>\n<summary>refused and taken{of}</summary>");
    for (title, mark, lines) in [("Refused", '-', &example.refused), ("Taken", '+', &example.taken)]
    {
        let _ = writeln!(text, "\n{title}:\n\n```diff");
        for line in lines {
            let mark = if line.differs { mark } else { ' ' };
            let _ = writeln!(text, "{}", format!("{mark} {}", line.text).trim_end());
        }
        let _ = writeln!(text, "```");
    }
    let _ = writeln!(text, "\n</details>");
}

/// One sentence per line.
fn sentences(text: &str) -> String {
    let mut lines = String::new();
    let mut is_code = false;
    let mut previous = ' ';
    for character in text.chars() {
        is_code ^= character == '`';
        let ends = character == ' ' && matches!(previous, '.' | '?') && !is_code;
        lines.push(if ends { '\n' } else { character });
        previous = character;
    }
    lines
}

/// Implied demands link to their entries and replies to their files; other values stand as they are.
fn linked(value: &str, label: &str) -> String {
    match (label, value.split_once(": ")) {
        ("implies", Some((id, because))) => format!("{}: {because}", link(id.trim_matches('`'))),
        ("replies" | "shown by" | "streamed", _) => {
            // What has spaces in it is no name: how many more there are, or where the replies come from instead.
            let file = |name: &str| match name.contains(' ') {
                true => name.to_owned(),
                false => format!("[{name}](replies/{name}.http)"),
            };
            value.split(", ").map(file).collect::<Vec<_>>().join(", ")
        }
        _ => value.to_owned(),
    }
}

fn link(id: &str) -> String {
    format!("[`{id}`](#{})", anchor(id))
}

/// The anchor that code hosts make of a heading.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(' ', "-").replace('/', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_stand_on_lines_of_their_own() {
        assert_eq!(
            sentences("One. Two `a. b`? Three, e.g. 4.5."),
            "One.\nTwo `a. b`?\nThree, e.g.\n4.5."
        );
    }
}
