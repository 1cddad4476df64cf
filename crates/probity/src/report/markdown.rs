//! Words of others in Markdown, where they must stay words and stay in their cell.

/// As text in a table.
pub(crate) fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if c.is_control() => safe.push(' '),
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            // An `@` would call somebody, brackets would make a link.
            '|' | '[' | ']' | '*' | '@' => safe.extend(['\\', c]),
            '`' => safe.push('\''),
            _ => safe.push(c),
        }
    }
    safe
}

/// As code in a table.
pub(crate) fn code(text: &str) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("`{}`", flat.replace('`', "'").replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_in_their_cell() {
        assert_eq!(cell("a|b\n<img> `x` [l](u) @you"), "a\\|b &lt;img> 'x' \\[l\\](u) \\@you");
        assert_eq!(code("a`|\nb"), "`a'\\| b`");
    }
}
