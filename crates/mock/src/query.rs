//! What stands behind the question mark, and the pages of a list.
//!
//! Members that a list does not know are ignored, because older clients add `beta=true` to every path. A cursor
//! that names nothing is ignored as well: what the API says to one is not documented.

use std::borrow::Cow;

use classify::Request;
use contract::rules::Finding;
use serde::Serialize;

use crate::error::Refusal;

/// Which part of a list is asked for.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Paging {
    limit: usize,
    before_id: Option<String>,
    after_id: Option<String>,
}

/// One page.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    data: Vec<T>,
    has_more: bool,
    first_id: Option<String>,
    last_id: Option<String>,
}

const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 1000;

/// The paging that the query asks for.
pub(crate) fn paging(request: &Request) -> Result<Paging, Refusal> {
    let mut paging = Paging { limit: LIMIT_DEFAULT, before_id: None, after_id: None };
    for (name, value) in members(request) {
        match &*name {
            "limit" => {
                paging.limit =
                    limit(&value).map_err(|m| Refusal::invalid(Finding::new("limit", m)))?
            }
            "before_id" => paging.before_id = Some(value.into_owned()),
            "after_id" => paging.after_id = Some(value.into_owned()),
            _ => {}
        }
    }
    Ok(paging)
}

/// The members of the query in order, decoded.
pub(crate) fn members(request: &Request) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    request.query().split('&').filter(|member| !member.is_empty()).map(|member| {
        let (name, value) = member.split_once('=').unwrap_or((member, ""));
        (decoded(name), decoded(value))
    })
}

impl Paging {
    /// The rows of the page, in the order of the list.
    pub(crate) fn cut<R, T>(
        &self,
        rows: &[R],
        id: impl Fn(&R) -> &str,
        show: impl Fn(&R) -> T,
    ) -> Page<T> {
        let find = |cursor: &Option<String>| {
            let cursor = cursor.as_deref()?;
            rows.iter().position(|row| id(row) == cursor)
        };
        let (rows, has_more) = match (find(&self.after_id), find(&self.before_id)) {
            (Some(after), _) => self.head(&rows[after + 1..]),
            (None, Some(before)) => {
                let start = before.saturating_sub(self.limit);
                (&rows[start..before], start > 0)
            }
            (None, None) => self.head(rows),
        };
        Page {
            data: rows.iter().map(show).collect(),
            has_more,
            first_id: rows.first().map(|row| id(row).to_owned()),
            last_id: rows.last().map(|row| id(row).to_owned()),
        }
    }

    fn head<'a, R>(&self, rows: &'a [R]) -> (&'a [R], bool) {
        (&rows[..rows.len().min(self.limit)], rows.len() > self.limit)
    }
}

fn limit(text: &str) -> Result<usize, &'static str> {
    match text.parse::<i64>() {
        Err(_) => Err("Input should be a valid integer, unable to parse string as an integer"),
        Ok(..1) => Err("Input should be greater than or equal to 1"),
        Ok(limit) => match usize::try_from(limit) {
            Ok(limit @ ..=LIMIT_MAX) => Ok(limit),
            _ => Err("Input should be less than or equal to 1000"),
        },
    }
}

fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = if byte == b'%' { after.get(..2).and_then(hex) } else { None };
        bytes.push(code.unwrap_or(if byte == b'+' { b' ' } else { byte }));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned().into()
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

#[cfg(test)]
mod tests {
    use classify::{Body, Headers};

    use super::*;

    fn check(query: &str, rows: &[&str], has_more: bool) {
        const ALL: [&str; 5] = ["a", "b", "c", "d", "e"];
        let page = paging(&request(query)).unwrap().cut(&ALL, |row| row, |row| *row);
        assert_eq!((&*page.data, page.has_more), (rows, has_more), "{query}");
        assert_eq!(
            (page.first_id.as_deref(), page.last_id.as_deref()),
            (rows.first().copied(), rows.last().copied())
        );
    }

    fn request(query: &str) -> Request {
        let target = format!("/v1/models?{query}").into();
        Request { method: "GET".into(), target, headers: Headers::default(), body: Body::Empty }
    }

    #[test]
    fn pages() {
        check("", &["a", "b", "c", "d", "e"], false);
        check("beta=true&limit=2", &["a", "b"], true);
        check("limit=2&after_id=b", &["c", "d"], true);
        check("limit=2&after_id=c", &["d", "e"], false);
        check("limit=2&after_id=e", &[], false);
        check("limit=2&before_id=d", &["b", "c"], true);
        check("limit=3&before_id=%64", &["a", "b", "c"], false);
        check("after_id=nobody", &["a", "b", "c", "d", "e"], false);
    }

    #[test]
    fn a_limit_is_a_number_in_its_range() {
        for bad in [
            "limit=",
            "limit=x",
            "limit=0",
            "limit=-1",
            "limit=1001",
            "limit=99999999999999999999",
            "limit=1.5",
        ] {
            let refusal = paging(&request(bad)).unwrap_err();
            assert!(
                refusal.status == 400 && refusal.message.starts_with("limit: Input should be"),
                "{bad}: {refusal:?}"
            );
        }
    }
}
