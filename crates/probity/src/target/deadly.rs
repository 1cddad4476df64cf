//! Cases that are known to end servers, or to keep them busy for long: they come last, so that whoever dies of one has
//! been asked everything else before.
//!
//! The price is that those cases stand in memory; there are some dozens, and what is long in them is not written out.

use std::collections::VecDeque;
use std::iter::Fuse;

use contract::case::Case;

/// Parsers that recurse end by it, and take the process with them.
const DEEP: &str = "body-too-deep";
/// Longer than anything but what is about length.
const BODY_BYTES_MAX: u64 = 1 << 20;

/// The cases in their order, those that may be deadly after all others.
pub struct DeadlyLast<I> {
    cases: Fuse<I>,
    kept: VecDeque<Case>,
    is_wanted: bool,
}

impl<I: Iterator<Item = Case>> DeadlyLast<I> {
    /// As they come, unless it is wanted.
    pub fn new(cases: I, is_wanted: bool) -> Self {
        Self { cases: cases.fuse(), kept: VecDeque::new(), is_wanted }
    }
}

impl<I: Iterator<Item = Case>> Iterator for DeadlyLast<I> {
    type Item = Case;

    fn next(&mut self) -> Option<Case> {
        for case in self.cases.by_ref() {
            if !(self.is_wanted && is_deadly(&case)) {
                return Some(case);
            }
            self.kept.push_back(case);
        }
        self.kept.pop_front()
    }
}

fn is_deadly(case: &Case) -> bool {
    case.origin.rule() == DEEP
        || case.request.body.len() > BODY_BYTES_MAX
        || case.request.headers.get("content-encoding").is_some()
}

#[cfg(test)]
mod tests {
    use classify::{Body, Request};
    use contract::case::{CaseId, Origin, Traits};
    use contract::version::{OperationId, Version};

    use super::*;

    fn case(id: &str, rule: &str, body_bytes: u64, encoding: Option<&'static str>) -> Case {
        let unit = b"a".to_vec().into();
        let body = Body::Repeat { prefix: "".into(), unit, count: body_bytes, suffix: "".into() };
        let mut request = Request { body, ..Request::default() };
        if let Some(encoding) = encoding {
            request.headers.push("content-encoding", encoding);
        }
        let origin = Origin::Witness {
            rule: rule.to_owned(),
            mended: false,
            answers: Vec::new(),
            variant: None,
        };
        Case {
            id: CaseId(id.to_owned()),
            version: Version::ALL[0],
            operation: OperationId::MessagesCreate,
            origin,
            traits: Traits::default(),
            request,
        }
    }

    fn check(is_wanted: bool, expected: &str) {
        let cases = [
            case("a", "required", 9, None),
            case("b", DEEP, 9, None),
            case("c", "body-over-limit", BODY_BYTES_MAX + 1, None),
            case("d", "required", 9, None),
            case("e", "content-encoding-br", 9, Some("br")),
            case("f", "too-long", BODY_BYTES_MAX, None),
        ];
        let order = DeadlyLast::new(cases.into_iter(), is_wanted).map(|case| case.id.0);
        assert_eq!(order.collect::<String>(), expected);
    }

    #[test]
    fn what_may_kill_comes_last() {
        check(true, "adfbce");
        check(false, "abcdef");
    }
}
