//! Pages that need nothing but themselves, and the only way into them: markup is written in this program, everything
//! else is text and is escaped.
//!
//! Words of clients and servers are hostile until shown otherwise. [`Html`] takes markup only as `&'static str`, so
//! that what came over a wire cannot become any; the price is a call for each piece in place of a format string.

/// A larger page is slow to open and unwelcome as an attachment.
pub(crate) const PAGE_BYTES_MAX: usize = 2_900_000;

/// Where issues are.
const ISSUES: &str = "https://github.com/";
/// Whole keys and what is left of cut ones begin like this.
const KEY_PREFIX: &str = "sk-ant-";

/// Markup that is safe to show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Html(String);

impl Html {
    /// Markup of this program.
    pub(crate) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Anybody's words, as content or as a quoted attribute's value.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        escape(&redact(text), &mut self.0);
        self
    }

    /// Anybody's words, cut to so many characters. What is left out is never half of a key.
    pub(crate) fn brief(&mut self, text: &str, chars_max: usize) -> &mut Self {
        escape(&cut(&redact(text), chars_max), &mut self.0);
        self
    }

    /// Our own sentences, in which backticks mark code. One that is never closed is a backtick.
    pub(crate) fn prose(&mut self, text: &str) -> &mut Self {
        let mut rest = text;
        while let Some((before, (code, after))) = rest
            .split_once('`')
            .and_then(|(before, marked)| Some((before, marked.split_once('`')?)))
        {
            self.text(before).raw("<code>").text(code).raw("</code>");
            rest = after;
        }
        self.text(rest)
    }

    /// Anybody's words of many lines, which stay lines, cut to so many characters.
    pub(crate) fn lines(&mut self, text: &str, chars_max: usize) -> &mut Self {
        for (number, line) in cut(&redact(text), chars_max).lines().enumerate() {
            if number > 0 {
                self.0.push('\n');
            }
            escape(line, &mut self.0);
        }
        self
    }

    pub(crate) fn number(&mut self, number: impl Into<u64>) -> &mut Self {
        self.0.push_str(&number.into().to_string());
        self
    }

    pub(crate) fn count(&mut self, number: usize) -> &mut Self {
        self.number(number as u64)
    }

    /// A coordinate of a picture; a tenth of a pixel is finer than any screen.
    pub(crate) fn at(&mut self, place: f64) -> &mut Self {
        let tenths = (place * 10.0).round();
        // A sum of halves must not come out as `-0`.
        let tenths = if tenths == 0.0 { 0.0 } else { tenths };
        self.0.push_str(&(tenths / 10.0).to_string());
        self
    }

    pub(crate) fn html(&mut self, html: &Self) -> &mut Self {
        self.0.push_str(&html.0);
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// A page as far as its body's beginning. `style` comes after what all pages have in common.
pub(crate) fn open(title: &str, style: &'static str) -> Html {
    let mut html = Html::default();
    html.raw(concat!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ",
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; ",
        "base-uri 'none'; form-action 'none'\">\n",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
        "<meta name=\"color-scheme\" content=\"light dark\">\n",
        "<meta name=\"referrer\" content=\"no-referrer\">\n<title>",
    ));
    html.text(title).raw("</title>\n<style>\n").raw(include_str!("html/page.css")).raw(style);
    html.raw("</style>\n</head>\n<body>\n");
    html.raw("<a class=\"jump\" href=\"#matrix\">Skip to the matrix</a>\n");
    html
}

/// Its end.
pub(crate) fn close(html: &mut Html) {
    html.raw("<footer><p>");
    html.raw(concat!("Written by probity ", env!("CARGO_PKG_VERSION"), "."));
    html.raw(" The page loads nothing and sends nothing.</p></footer>\n<script>\n");
    html.raw(include_str!("html/page.js")).raw("</script>\n</body>\n</html>\n");
}

/// A piece of evidence. One that looks like an issue is shown as a link to it.
pub(crate) fn put_evidence(html: &mut Html, evidence: &str) {
    match issue(evidence) {
        Some((place, number)) => {
            html.raw("<a rel=\"noreferrer\" href=\"").raw(ISSUES).text(place);
            html.raw("/issues/").text(number).raw("\">").text(evidence).raw("</a>");
        }
        None => _ = html.text(evidence),
    }
}

/// `owner/repo#n`, and nothing that only looks like it.
fn issue(evidence: &str) -> Option<(&str, &str)> {
    let (place, number) = evidence.split_once('#')?;
    let (owner, repo) = place.split_once('/')?;
    let is_name = |name: &str| {
        !name.is_empty()
            && name != "."
            && name != ".."
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    (is_name(owner) && is_name(repo) && is_number).then_some((place, number))
}

/// A name that can stand in an anchor and in a link; no two texts share one.
pub(crate) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for byte in redact(text).bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => slug.push(char::from(byte)),
            _ => slug.push_str(&format!("_{byte:02x}")),
        }
    }
    slug
}

/// At most so many characters, with a mark where the rest is missing.
pub(crate) fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// The text with every key replaced.
pub(crate) fn redact(text: &str) -> String {
    let mut rest = text;
    let mut clean = String::new();
    while let Some(start) = rest.find(KEY_PREFIX) {
        clean.push_str(&rest[..start]);
        let key = &rest[start..];
        let end = key.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
        let end = end.unwrap_or(key.len());
        // The beginning alone is a word about keys.
        clean.push_str(if end == KEY_PREFIX.len() { KEY_PREFIX } else { "[key]" });
        rest = &key[end..];
    }
    clean + rest
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // The pictures of control characters stand in the same order as the characters.
            '\0'..='\x1f' => out.extend(char::from_u32(0x2400 + u32::from(c))),
            '\x7f' => out.push('\u{2421}'),
            _ if is_deceptive(c) => out.push_str(&format!("[U+{:04X}]", u32::from(c))),
            _ => out.push(c),
        }
    }
}

/// Characters that nobody sees, or that move or hide others.
fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{fffe}'
            | '\u{ffff}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let mut html = Html::default();
        html.text(text);
        assert_eq!(html.into_string(), expected, "{text:?}");
    }

    #[test]
    fn markup_becomes_text() {
        check("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;");
        check(r#"" onclick="x" a='"#, "&quot; onclick=&quot;x&quot; a=&#39;");
        check("]]> --> &amp; </style>", "]]&gt; --&gt; &amp;amp; &lt;/style&gt;");
        check("naïve 日本 🦀", "naïve 日本 🦀");
    }

    #[test]
    fn what_nobody_sees_is_shown() {
        check("a\nb\r\t\0\x1b[31m\x7f", "a␊b␍␉␀␛[31m␡");
        check("\u{202e}txt.exe\u{2066}", "[U+202E]txt.exe[U+2066]");
        check("\u{200b}\u{feff}\u{85}\u{e0041}", "[U+200B][U+FEFF][U+0085][U+E0041]");
    }

    #[test]
    fn backticks_mark_code() {
        let mut html = Html::default();
        html.prose("Set `a<b`, or `c`; not `.");
        let expected = "Set <code>a&lt;b</code>, or <code>c</code>; not `.";
        assert_eq!(html.into_string(), expected);
    }

    #[test]
    fn lines_stay_lines() {
        let mut html = Html::default();
        html.lines("a<\r\n\x1bb\n\nc and what is too long", 11);
        assert_eq!(html.into_string(), "a&lt;\n␛b\n\nc…");
    }

    #[test]
    fn no_key_gets_through() {
        let key = chaos::handling::CANARY_KEY;
        check(&format!("Bearer {key}, again {key}"), "Bearer [key], again [key]");
        check("x-api-key:sk-ant-cut", "x-api-key:[key]");
        check("keys start with sk-ant- and go on", "keys start with sk-ant- and go on");
        let mut html = Html::default();
        html.brief(&format!("the key {key}"), 12);
        assert_eq!(html.into_string(), "the key [ke…");
    }

    #[test]
    fn slugs_are_plain_and_differ() {
        assert_eq!(slug("cut-mid-body-cl"), "cut-mid-body-cl");
        assert_eq!(slug("A b"), "_41_20b");
        assert_ne!(slug("_41"), slug("A"));
    }

    #[test]
    fn coordinates_are_short() {
        let mut html = Html::default();
        html.at(12.0).raw(" ").at(1.0 / 3.0).raw(" ").at(-0.01);
        assert_eq!(html.into_string(), "12 0.3 0");
    }

    #[test]
    fn only_issues_become_links() {
        assert_eq!(issue("kortix-ai/suna#66"), Some(("kortix-ai/suna", "66")));
        assert_eq!(issue("its_hub#194"), None);
        assert_eq!(issue("RFC 9112, section 6.3"), None);
        assert_eq!(issue("a/../b#1"), None);
        assert_eq!(issue("a/b#1\" onclick=\"x"), None);
        assert_eq!(issue("../b#1"), None);
    }
}
