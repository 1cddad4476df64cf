//! What every page must hold, whatever it tells.

use std::collections::BTreeSet;

pub(crate) const HOSTILE: &str =
    "</code><script>alert(1)</script>\" onload=\"x' \u{202e}gnp\u{0} \u{1b}[31m\r\nnext";

/// Every element is closed in order, every attribute quoted, every id unique, every inner link good; nothing is
/// loaded. Gives the ids.
pub(crate) fn check_page(page: &str) -> BTreeSet<String> {
    assert!(!page.contains("sk-ant-"), "a key is on the page");
    assert!(page.starts_with("<!DOCTYPE html>"));
    let (mut open, mut ids, mut links) = (vec![], BTreeSet::new(), vec![]);
    let mut rest = page.strip_prefix("<!DOCTYPE html>").unwrap();
    while let Some((_, tag)) = rest.split_once('<') {
        let (tag, after) = tag.split_once('>').unwrap();
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "</{name}>");
            continue;
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        for (name, value) in attributes_of(attributes) {
            match name {
                "id" => assert!(ids.insert(value.to_owned()), "id {value} stands twice"),
                "href" => links.push(value),
                "src" | "srcset" | "data" | "action" | "poster" => panic!("{tag} loads something"),
                _ => assert!(!name.starts_with("on"), "<{tag}>"),
            }
        }
        let is_void = ["meta", "input", "br"].contains(&name) || tag.ends_with('/');
        if !is_void {
            open.push(name.trim_end_matches('/'));
        }
        if name == "script" || name == "style" {
            let (_, after) = rest.split_once(&format!("</{name}>")).unwrap();
            rest = after;
            open.pop();
        }
    }
    assert!(open.is_empty(), "{open:?} are not closed");
    for link in links {
        match link.strip_prefix('#') {
            Some(id) => assert!(ids.contains(id), "{link} leads nowhere"),
            None => assert!(link.starts_with("https://github.com/"), "{link}"),
        }
    }
    ids
}

fn attributes_of(text: &str) -> Vec<(&str, &str)> {
    let mut attributes = vec![];
    let mut rest = text.trim_end_matches('/').trim();
    while !rest.is_empty() {
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let name = &rest[..end];
        assert!(
            name.chars().all(|c| c.is_ascii_alphabetic() || "-:".contains(c) || c == 'B'),
            "{text}"
        );
        rest = &rest[end..];
        let value = match rest.strip_prefix("=\"") {
            Some(quoted) => {
                let (value, after) = quoted.split_once('"').unwrap();
                rest = after;
                value
            }
            None => "",
        };
        attributes.push((name, value));
        rest = rest.trim_start();
    }
    attributes
}
