//! What stands behind the question mark, and the pages of a list.
//!
//! Members that a list does not know are ignored, because older clients add `beta=true` to every path. A cursor
//! that names nothing is ignored as well: what the API says to one is not documented. What may not stand here was
//! refused by the rules before.

use classify::Request;
use contract::rules::view;
use serde::Serialize;

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

/// The paging that the query asks for.
pub(crate) fn paging(request: &Request) -> Paging {
    let mut paging = Paging { limit: LIMIT_DEFAULT, before_id: None, after_id: None };
    for (name, value) in view::query(request) {
        match &*name {
            "limit" => paging.limit = value.parse().unwrap_or(LIMIT_DEFAULT),
            "before_id" => paging.before_id = Some(value.into_owned()),
            "after_id" => paging.after_id = Some(value.into_owned()),
            _ => {}
        }
    }
    paging
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

#[cfg(test)]
mod tests {
    use classify::{Body, Headers};

    use super::*;

    fn check(query: &str, rows: &[&str], has_more: bool) {
        const ALL: [&str; 5] = ["a", "b", "c", "d", "e"];
        let page = paging(&request(query)).cut(&ALL, |row| row, |row| *row);
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
}
