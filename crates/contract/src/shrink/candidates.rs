//! All single reductions of a body, the ones that save most first.
//!
//! Structure goes before content, and what is outside before what is inside: a turn that is dropped saves the trials
//! of everything in it. The order is that of the value and nothing else, so the same body gives the same list.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Number, Value};

use super::reduction::{Edit, Reduction};

/// Runs of up to two elements are tried at every place, because a call and its result, or a question and its answer,
/// only go together; longer runs at every multiple of their length.
const EVERY_PLACE_MAX: usize = 2;

/// Ids and names stand in several places and are short; a long text that stands twice is not a name.
const NAME_BYTES_MAX: usize = 256;

/// Of bodies that are not JSON every byte is tried up to this length. Beyond it only the ends are cut, because one
/// request for each byte of a long body is more than anybody waits for.
const EVERY_BYTE_MAX: usize = 4 * 1024;

/// Every single reduction of this body.
pub fn candidates(value: &Value) -> impl Iterator<Item = Reduction> {
    let sites = sites(value);
    let structure: Vec<_> = sites.iter().flat_map(structure).collect();
    let inside: Vec<_> = sites.iter().flat_map(inside).collect();
    let names = names(&sites);
    let content: Vec<_> = sites.iter().flat_map(content).collect();
    structure.into_iter().chain(inside).chain(names).chain(content)
}

/// Every part that is dropped from a body of so many bytes that is not JSON.
pub fn of_bytes(len: usize) -> impl Iterator<Item = Range<usize>> {
    let sizes = halves(len);
    sizes.into_iter().flat_map(move |size| {
        let every: Vec<_> = match len <= EVERY_BYTE_MAX {
            true => (0..len).step_by(size).map(|at| at..(at + size).min(len)).collect(),
            false => vec![len - size..len, 0..size],
        };
        every
    })
}

/// A value and its place.
struct Site<'a> {
    at: Arc<str>,
    value: &'a Value,
}

/// All places, the outer ones first.
fn sites(value: &Value) -> Vec<Site<'_>> {
    let mut sites = Vec::new();
    let mut queue = VecDeque::from([Site { at: Arc::from(""), value }]);
    while let Some(site) = queue.pop_front() {
        let at = |name: &str| Arc::from(format!("{}/{name}", site.at));
        match site.value {
            Value::Array(elements) => queue.extend(
                elements
                    .iter()
                    .enumerate()
                    .map(|(i, value)| Site { at: at(&i.to_string()), value }),
            ),
            Value::Object(members) => queue
                .extend(members.iter().map(|(name, value)| Site { at: at(&escaped(name)), value })),
            _ => {}
        }
        sites.push(site);
    }
    sites
}

fn structure(site: &Site<'_>) -> Vec<Reduction> {
    match site.value {
        Value::Array(elements) => {
            runs(elements.len()).map(|range| site.make(Edit::Elements(range))).collect()
        }
        Value::Object(members) => {
            members.keys().map(|name| site.make(Edit::Member(name.clone()))).collect()
        }
        _ => Vec::new(),
    }
}

/// Runs of elements: all, halves, quarters and so on, down to one.
fn runs(len: usize) -> impl Iterator<Item = Range<usize>> {
    halves(len).into_iter().flat_map(move |size| {
        let step = if size <= EVERY_PLACE_MAX { 1 } else { size };
        let last = if size <= EVERY_PLACE_MAX { len + 1 - size } else { len };
        (0..last).step_by(step).map(move |at| at..(at + size).min(len))
    })
}

/// `len`, a half of it, a quarter, and so on to 1; and 2 where it would be left out.
fn halves(len: usize) -> Vec<usize> {
    let mut sizes: Vec<_> = std::iter::successors(Some(len), |size| Some(size / 2))
        .take_while(|size| *size > 0)
        .collect();
    if len > EVERY_PLACE_MAX && !sizes.contains(&EVERY_PLACE_MAX) {
        sizes.insert(sizes.len() - 1, EVERY_PLACE_MAX);
    }
    sizes
}

/// What a value holds may do in its place: a list of one, the text of a text block, a schema in a schema.
fn inside(site: &Site<'_>) -> Vec<Reduction> {
    let mut pointers = Vec::new();
    match site.value {
        Value::Array(elements) => {
            if let [only] = &elements[..] {
                if only.get("text").is_some_and(Value::is_string) {
                    pointers.push("/0/text".to_owned());
                }
                pointers.push("/0".to_owned());
            } else {
                let lists = elements.iter().enumerate().filter(|(_, element)| element.is_array());
                pointers.extend(lists.map(|(at, _)| format!("/{at}")));
            }
        }
        Value::Object(members) => {
            let objects = members.iter().filter(|(_, member)| member.is_object());
            pointers.extend(objects.map(|(name, _)| format!("/{}", escaped(name))));
        }
        _ => {}
    }
    pointers.into_iter().map(|pointer| site.make(Edit::Inside(pointer))).collect()
}

/// Texts that stand in several places, such as the id of a call and of its result.
fn names(sites: &[Site<'_>]) -> Vec<Reduction> {
    let mut places: BTreeMap<&str, (&Site<'_>, usize)> = BTreeMap::new();
    for site in sites {
        if let Some(text) = site.value.as_str().filter(|text| text.len() <= NAME_BYTES_MAX) {
            places.entry(text).or_insert((site, 0)).1 += 1;
        }
    }
    let several = places.into_iter().filter(|(_, (_, count))| *count > 1);
    several
        .flat_map(|(text, (site, _))| texts(text).map(|range| site.make(Edit::EveryText(range))))
        .collect()
}

fn content(site: &Site<'_>) -> Vec<Reduction> {
    match site.value {
        Value::String(text) => texts(text).map(|range| site.make(Edit::Text(range))).collect(),
        Value::Number(number) => {
            simpler(number).into_iter().map(|number| site.make(Edit::Number(number))).collect()
        }
        _ => Vec::new(),
    }
}

/// The parts of a text that are kept: nothing, one character, then all but a half, a quarter and so on of either end.
fn texts(text: &str) -> impl Iterator<Item = Range<usize>> {
    let len = text.len();
    let first = text.chars().next().map_or(0, char::len_utf8);
    let last = text.chars().next_back().map_or(0, char::len_utf8);
    let cuts = std::iter::successors(Some(len / 2), |cut| Some(cut / 2)).take_while(|cut| *cut > 0);
    let mut kept = vec![0..0, 0..first];
    for cut in cuts {
        // At least one character, however wide.
        kept.push(0..text.floor_char_boundary(len - cut).min(len - last));
        kept.push(text.ceil_char_boundary(cut).max(first)..len);
    }
    kept.retain(|range| range.len() < len);
    kept.dedup();
    kept.into_iter()
}

/// Numbers nearer to nothing. Those that are not whole are tried as whole ones.
fn simpler(number: &Number) -> Vec<Number> {
    let from = |numbers: &[i64]| numbers.iter().copied().map(Number::from).collect();
    match (number.as_i64(), number.as_f64()) {
        (Some(0), _) => Vec::new(),
        (Some(whole), _) => {
            // Ever smaller steps, so that a limit is found in as many as it has digits.
            let steps = std::iter::successors(Some(whole / 2), |step| Some(step / 2));
            let steps = steps.take_while(|step| *step != 0).map(|step| whole - step);
            let mut toward = vec![0, 1, -1];
            toward.extend(steps.chain([whole - whole.signum()]));
            toward.retain(|other| other.unsigned_abs() < whole.unsigned_abs());
            from(&toward)
        }
        // What is not finite cannot be read, and what is large is as large as it can be.
        (None, Some(float)) => from(&[0, 1, float as i64]),
        (None, None) => Vec::new(),
    }
}

impl Site<'_> {
    fn make(&self, edit: Edit) -> Reduction {
        Reduction { at: Arc::clone(&self.at), edit }
    }
}

/// A name as a segment of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: &Value, expected: &[Value]) {
        let made: Vec<_> = candidates(value).filter_map(|one| one.apply(value)).collect();
        for wanted in expected {
            assert!(made.contains(wanted), "{value} has no candidate {wanted}: {made:?}");
        }
    }

    #[test]
    fn every_kind_of_reduction_is_there() {
        check(
            &json!([1, 2, 3, 4, 5]),
            &[json!([]), json!([3, 4, 5]), json!([1, 4, 5]), json!([1, 2, 3, 4])],
        );
        check(&json!({"a": 1, "b/~": {"c": 0}}), &[json!({"a": 1}), json!({"c": 0})]);
        check(
            &json!({"content": [{"type": "text", "text": "hi"}]}),
            &[
                json!({"content": "hi"}),
                json!({"content": []}),
                json!({"content": [{"text": "hi"}]}),
            ],
        );
        check(
            &json!({"id": "abcd", "of": "abcd"}),
            &[json!({"id": "ab", "of": "ab"}), json!({"id": "", "of": ""})],
        );
        check(
            &json!("héllo"),
            &[json!(""), json!("h"), json!("hé"), json!("llo"), json!("héll"), json!("éllo")],
        );
        check(&json!("日本"), &[json!(""), json!("日"), json!("本")]);
        check(&json!(1024), &[json!(0), json!(1), json!(512), json!(768), json!(1023)]);
        check(&json!(-3), &[json!(0), json!(1), json!(-1), json!(-2)]);
        check(&json!(0.75), &[json!(0), json!(1)]);
        check(&json!(null), &[]);
    }

    #[test]
    fn every_candidate_can_be_made() {
        let value = json!({"a": [[1], [2.5, "x"], {"t": "äö", "u": ["äö", {}]}], "b": "", "c": [{"text": 1}]});
        for one in candidates(&value) {
            assert!(one.apply(&value).is_some(), "{one:?}");
        }
    }

    #[test]
    fn bytes_go_in_runs_and_one_by_one() {
        let all: Vec<_> = of_bytes(5).collect();
        for range in [0..5, 0..2, 2..4, 4..5, 0..1, 3..4] {
            assert!(all.contains(&range), "{range:?} of {all:?}");
        }
        assert_eq!(of_bytes(0).count(), 0);
        assert!(of_bytes(1 << 20).all(|range| range.start == 0 || range.end == 1 << 20));
    }
}
