//! A witness as lines for people: what differs from its twin is marked, what is long is cut.

use std::borrow::Cow;
use std::collections::BTreeSet;

use classify::{Body, Request};
use contract::case::{Case, Origin};
use contract::spec::Contract;
use contract::witness::Witness;

use super::entry::{Example, Line};
use super::layout::{Laid, cut, lay_out};
use crate::console::thousands;

/// A request should fit on a screen.
const LINES_MAX: usize = 44;
/// Lines kept on either side of one that differs, where a request is longer.
const CONTEXT_LINES: usize = 4;
/// What is repeated is only hinted at.
const UNIT_CHARS_MAX: usize = 40;
/// Of a body that is no text.
const BYTES_SHOWN: usize = 16;
/// Longer requests are not compared line by line.
const COMPARED_LINES_MAX: usize = 2_000;

/// The witness under the newest version it holds for.
pub(super) fn example(contract: &Contract, witness: &Witness) -> Option<Example> {
    let newest = witness.cases(contract).map(|case| case.version).max()?;
    let cases: Vec<_> = witness.cases(contract).filter(|case| case.version == newest).collect();
    let twin = |wanted: bool| {
        let is_twin = |case: &&Case| matches!(case.origin, Origin::Witness { mended, .. } if mended == wanted);
        cases.iter().find(is_twin).map(|case| &case.request)
    };
    let (violation, mended) = (twin(false)?, twin(true)?);
    let heads = !witness.violation.headers.is_empty()
        || !witness.violation.remove_headers.is_empty()
        || !witness.mended.headers.is_empty()
        || !witness.mended.remove_headers.is_empty();
    let [refused, taken] = compare(&lines(violation, heads), &lines(mended, heads)).map(shorten);
    Some(Example { name: witness.rule.clone(), refused, taken })
}

/// The request line, the headers if they matter, and the body.
fn lines(request: &Request, heads: bool) -> Vec<Laid> {
    let mut lines = vec![Laid::new(format!("{} {}", request.method, request.target))];
    if heads {
        let heads = request.headers.iter().map(|(name, value)| format!("{name}: {value}"));
        lines.extend(heads.map(Laid::new));
        if !request.body.is_empty() {
            lines.push(Laid::new(""));
        }
    }
    match &request.body {
        Body::Empty => {}
        Body::Bytes(bytes) => lines.extend(lay_out(&text(bytes))),
        Body::Repeat { prefix, unit, count, suffix } => {
            lines.extend(text(prefix).lines().map(Laid::new));
            let count = thousands(usize::try_from(*count).unwrap_or(usize::MAX));
            let unit = cut(&text(unit), UNIT_CHARS_MAX);
            lines.push(Laid::new(format!("… {count} times: {}", unit.trim())));
            lines.extend(text(suffix).lines().map(Laid::new));
        }
    }
    lines
}

/// Bytes as they can be shown: as text, if they are one but for a few.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    let is_control = |byte: &u8| byte.is_ascii_control() && !b"\t\n\r".contains(byte);
    if bytes.iter().any(is_control) {
        let shown = bytes.iter().take(BYTES_SHOWN).map(|byte| format!("{byte:02x}"));
        let shown = shown.collect::<Vec<_>>().join(" ");
        return Cow::Owned(format!("({} bytes, no text: {shown} …)", bytes.len()));
    }
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let chunks = bytes.utf8_chunks();
            Cow::Owned(
                chunks.map(|chunk| chunk.valid().to_owned() + &escaped(chunk.invalid())).collect(),
            )
        }
    }
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// The lines of a request and, by index, where it differs from its twin: at lines that the twin does not have, and
/// at lines before which the twin has more.
struct Compared {
    lines: Vec<Line>,
    places: BTreeSet<usize>,
}

/// Marks the lines of each that are not in the other, by their longest common subsequence.
fn compare(refused: &[Laid], taken: &[Laid]) -> [Compared; 2] {
    let plain = |lines: &[Laid]| {
        let line = |line: &Laid| Line { differs: false, text: line.shown.clone() };
        Compared { lines: lines.iter().map(line).collect(), places: BTreeSet::new() }
    };
    let [mut own, mut other] = [plain(refused), plain(taken)];
    if COMPARED_LINES_MAX < refused.len().max(taken.len()) {
        return [own, other];
    }
    let length = common_lengths(refused, taken);
    let (mut i, mut j) = (0, 0);
    while i < refused.len() || j < taken.len() {
        let is_same = i < refused.len() && j < taken.len() && refused[i] == taken[j];
        if is_same {
            (i, j) = (i + 1, j + 1);
            continue;
        }
        own.places.insert(i);
        other.places.insert(j);
        let is_own =
            j == taken.len() || (i < refused.len() && length[i][j + 1] <= length[i + 1][j]);
        if is_own {
            own.lines[i].differs = true;
            i += 1;
        } else {
            other.lines[j].differs = true;
            j += 1;
        }
    }
    [own, other]
}

/// At `[i][j]` the length of the longest common subsequence of the lines from `i` and those from `j` on.
fn common_lengths(refused: &[Laid], taken: &[Laid]) -> Vec<Vec<usize>> {
    let mut length = vec![vec![0_usize; taken.len() + 1]; refused.len() + 1];
    for i in (0..refused.len()).rev() {
        for j in (0..taken.len()).rev() {
            length[i][j] = if refused[i] == taken[j] {
                length[i + 1][j + 1] + 1
            } else {
                length[i + 1][j].max(length[i][j + 1])
            };
        }
    }
    length
}

/// Keeps the start, the end and what differs, if a request is long; each gap becomes one line.
fn shorten(compared: Compared) -> Vec<Line> {
    let Compared { lines, places } = compared;
    let count = lines.len();
    if count <= LINES_MAX {
        return lines;
    }
    let is_kept = |idx: usize| {
        let from_end = idx.min(count - 1 - idx);
        let is_near = places.iter().take(LINES_MAX).any(|at| at.abs_diff(idx) <= CONTEXT_LINES);
        from_end < CONTEXT_LINES || is_near
    };
    let mut kept = Vec::new();
    let mut gap: Vec<Line> = Vec::new();
    for (idx, line) in lines.into_iter().enumerate() {
        if !is_kept(idx) {
            gap.push(line);
            continue;
        }
        close(&mut gap, &mut kept);
        kept.push(line);
    }
    close(&mut gap, &mut kept);
    kept
}

/// A gap of one line would save nothing.
fn close(gap: &mut Vec<Line>, kept: &mut Vec<Line>) {
    match gap.len() {
        0 | 1 => kept.append(gap),
        lines => kept.push(Line { differs: false, text: format!("… {lines} lines") }),
    }
    gap.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(lines: &[Line]) -> String {
        let line = |line: &Line| format!("{}{}", if line.differs { "!" } else { "" }, line.text);
        lines.iter().map(line).collect::<Vec<_>>().join("|")
    }

    fn compared(refused: &str, taken: &str) -> [Compared; 2] {
        let split = |text: &str| text.split('|').map(Laid::new).collect::<Vec<_>>();
        compare(&split(refused), &split(taken))
    }

    fn check(refused: &str, taken: &str, expected: [&str; 2]) {
        assert_eq!(compared(refused, taken).map(|side| marked(&side.lines)), expected);
    }

    #[test]
    fn what_differs_is_marked() {
        check("a|b|c", "a|b|c", ["a|b|c", "a|b|c"]);
        check("a|x|c", "a|c", ["a|!x|c", "a|c"]);
        check("a|c", "a|y|c", ["a|c", "a|!y|c"]);
        check("x|b", "y|b", ["!x|b", "!y|b"]);
        check("a", "a|y", ["a", "a|!y"]);
    }

    #[test]
    fn what_is_long_is_shown_where_it_differs() {
        let lines = |odd: &str| {
            let line = |idx: usize| if idx == 30 { odd.to_owned() } else { idx.to_string() };
            let lines: Vec<_> = (0..60).map(line).filter(|line| !line.is_empty()).collect();
            lines.join("|")
        };
        let [own, other] = compared(&lines("x"), &lines("")).map(|side| marked(&shorten(side)));
        assert_eq!(own, "0|1|2|3|… 22 lines|26|27|28|29|!x|31|32|33|34|… 21 lines|56|57|58|59");
        assert_eq!(other, "0|1|2|3|… 22 lines|26|27|28|29|31|32|33|34|35|… 20 lines|56|57|58|59");
    }

    #[test]
    fn bytes_are_shown_as_far_as_they_can_be() {
        assert_eq!(text(b"plain"), "plain");
        assert_eq!(text(b"mostly \xff plain"), "mostly \\xff plain");
        assert_eq!(text(b"\x1f\x8b\x08\xff\xfe"), "(5 bytes, no text: 1f 8b 08 ff fe …)");
    }
}
