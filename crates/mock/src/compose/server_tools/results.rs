//! What server tools answer.
//!
//! What the API encrypts for its own eyes is letters here: they come back unread, so any text is genuine.

use contract::rules::view;
use serde_json::{Value, json};

use crate::compose::citations::{self, Cited};
use crate::compose::directives::Directive;
use crate::compose::draft::Draft;
use crate::compose::{Scene, prose, tokens, tools};
use crate::dice::Dice;
use crate::message::{Block, Citation};

/// The most tools that a search finds.
pub(super) const FOUND_MAX: usize = 5;

/// What is called. The tool is `Null` where rules are not enforced and it was not given.
pub(super) struct Call<'a> {
    pub(super) name: &'static str,
    pub(super) input: &'a Value,
    pub(super) tool: &'a Value,
}

pub(super) struct Outcome<'a> {
    /// The type of the block.
    pub(super) kind: &'static str,
    pub(super) content: Value,
    pub(super) cited: Option<Cited>,
    /// Names of the deferred tools that were found.
    pub(super) found: Vec<&'a str>,
}

impl Outcome<'_> {
    fn new(kind: &'static str, content: Value) -> Self {
        Self { kind, content, cited: None, found: Vec::new() }
    }

    fn error(kind: &'static str, error_code: &str) -> Self {
        Self::new(kind, json!({"type": format!("{kind}_error"), "error_code": error_code}))
    }
}

/// The result of a call whose block already stands in the draft, unless the turn was resumed.
pub(super) fn of<'a>(
    call: &Call<'_>,
    draft: &Draft<'_>,
    scene: &Scene<'a>,
    dice: &mut Dice,
) -> Outcome<'a> {
    let (kind, errors) = kind(call.name);
    if scene.asked.has(Directive::ToolError) {
        return Outcome::error(kind, errors[dice.below(errors.len())]);
    }
    let is_same =
        |block: &&Block| matches!(block, Block::ServerToolUse { name, .. } if *name == call.name);
    let uses = draft.content.iter().filter(is_same).count() as u64;
    if view::integer(call.tool, "max_uses").is_some_and(|max| uses > max) {
        return Outcome::error(kind, "max_uses_exceeded");
    }
    match call.name {
        "web_search" => search(kind, call, dice),
        "web_fetch" => fetch(kind, call, draft, scene, dice),
        "bash_code_execution" => {
            Outcome::new(kind, ran("bash_code_execution_result", "1 /tmp/notes.txt\n"))
        }
        "text_editor_code_execution" => Outcome::new(kind, edited(call.input)),
        "code_execution" => Outcome::new(kind, computed(call.tool, dice)),
        _ => found(kind, scene),
    }
}

/// The type of the result, and how it may fail.
fn kind(name: &str) -> (&'static str, &'static [&'static str]) {
    match name {
        "web_search" => (
            "web_search_tool_result",
            &[
                "invalid_tool_input",
                "unavailable",
                "too_many_requests",
                "query_too_long",
                "request_too_large",
            ],
        ),
        "web_fetch" => (
            "web_fetch_tool_result",
            &[
                "url_not_accessible",
                "unsupported_content_type",
                "too_many_requests",
                "unavailable",
                "content_too_large",
            ],
        ),
        "bash_code_execution" => (
            "bash_code_execution_tool_result",
            &[
                "invalid_tool_input",
                "unavailable",
                "too_many_requests",
                "execution_time_exceeded",
                "output_file_too_large",
            ],
        ),
        "text_editor_code_execution" => (
            "text_editor_code_execution_tool_result",
            &[
                "invalid_tool_input",
                "unavailable",
                "too_many_requests",
                "execution_time_exceeded",
                "file_not_found",
            ],
        ),
        "code_execution" => (
            "code_execution_tool_result",
            &["invalid_tool_input", "unavailable", "too_many_requests", "execution_time_exceeded"],
        ),
        _ => (
            "tool_search_tool_result",
            &["invalid_tool_input", "unavailable", "too_many_requests", "execution_time_exceeded"],
        ),
    }
}

const PAGES: [(&str, &str); 4] = [
    ("tides", "Tide tables for beginners"),
    ("bridges", "Bridges – a short history"),
    ("bread", "Brot & Zeit: what dough waits for"),
    ("紅葉", "紅葉 in Kyoto"),
];

fn search<'a>(kind: &'static str, call: &Call<'_>, dice: &mut Dice) -> Outcome<'a> {
    const AGES: [Option<&str>; 4] =
        [Some("2 days ago"), Some("April 30, 2026"), Some("5 months ago"), None];
    let Some(host) = host(call.tool, dice) else { return Outcome::new(kind, json!([])) };
    let count = 1 + dice.below(PAGES.len());
    let results: Vec<_> = PAGES[..count]
        .iter()
        .map(|(path, title)| {
            json!({
                "type": "web_search_result",
                "url": format!("https://{host}/{path}"),
                "title": title,
                "encrypted_content": format!("{}{}", dice.id("Eq"), dice.id("Cg")),
                "page_age": AGES[dice.below(AGES.len())],
            })
        })
        .collect();
    let (path, title) = PAGES[dice.below(count)];
    let cited = Citation::WebSearchResultLocation {
        cited_text: prose::sentence(dice).to_owned(),
        url: format!("https://{host}/{path}"),
        title: Some(title.to_owned()),
        encrypted_index: dice.id("Eo"),
    };
    let cited = Cited { text: format!(" {}", prose::sentence(dice)), citations: vec![cited] };
    Outcome { cited: Some(cited), ..Outcome::new(kind, json!(results)) }
}

/// A host that the tool may look at, if there is one.
fn host<'t>(tool: &'t Value, dice: &mut Dice) -> Option<&'t str> {
    const HOSTS: [&str; 3] = ["www.example.com", "www.example.org", "www.example.net"];
    /// As long as a host can be.
    const HOST_BYTES_MAX: usize = 253;
    let allowed = view::member_list(tool, "allowed_domains").iter().filter_map(Value::as_str);
    let mut hosts: Vec<_> = allowed
        .map(|domain| domain.trim_start_matches("*.").split('/').next().unwrap_or_default())
        .filter(|host| (1..=HOST_BYTES_MAX).contains(&host.len()))
        .collect();
    if hosts.is_empty() && !view::given(tool, "allowed_domains") {
        hosts = HOSTS.into_iter().filter(|host| may_visit(tool, host)).collect();
    }
    (!hosts.is_empty()).then(|| hosts[dice.below(hosts.len())])
}

/// Whether the host is not kept out by the lists of the tool.
fn may_visit(tool: &Value, host: &str) -> bool {
    let lists = |member: &str| {
        view::member_list(tool, member).iter().filter_map(Value::as_str).any(|domain| {
            let domain = domain.trim_start_matches("*.").split('/').next().unwrap_or_default();
            host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    };
    !lists("blocked_domains") && (!view::given(tool, "allowed_domains") || lists("allowed_domains"))
}

fn fetch<'a>(
    kind: &'static str,
    call: &Call<'_>,
    draft: &Draft<'_>,
    scene: &Scene<'a>,
    dice: &mut Dice,
) -> Outcome<'a> {
    /// As long as a URL can be.
    const URL_BYTES_MAX: usize = 2048;
    let Some(url) = call.input.get("url").and_then(Value::as_str) else {
        return Outcome::error(kind, "invalid_tool_input");
    };
    let host = url.split("://").nth(1).and_then(|rest| rest.split(['/', '?', '#', ':']).next());
    let from_user =
        call.tool.pointer("/url_sources/user_input/type").is_none_or(|from| from != "none");
    let wrong = match host {
        None | Some("") => Some("invalid_tool_input"),
        Some(_) if url.len() > URL_BYTES_MAX => Some("url_too_long"),
        Some(_) if !from_user || !scene.text.contains(url) => Some("url_not_in_prior_context"),
        Some(host) if !may_visit(call.tool, host) => Some("url_not_allowed"),
        Some(_) => None,
    };
    if let Some(wrong) = wrong {
        return Outcome::error(kind, wrong);
    }
    let mut page =
        [prose::sentence(dice), prose::sentence(dice), prose::sentence(dice)].join("\n\n");
    if let Some(max) = view::integer(call.tool, "max_content_tokens") {
        let bytes = usize::try_from(tokens::bytes(max)).unwrap_or(usize::MAX);
        page.truncate(page.floor_char_boundary(bytes));
    }
    let cites = citations::are_enabled(call.tool);
    let fetched = |block: &&Block| matches!(block, Block::ServerToolResult { content, .. } if view::kind(content) == "web_fetch_result");
    let cited = cites.then(|| {
        let index =
            citations::documents(scene.params) + draft.content.iter().filter(fetched).count();
        citations::of_text(&page, index, Some(PAGES[0].1.to_owned()), dice)
    });
    let document = json!({
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": page},
        "title": PAGES[0].1,
        "citations": {"enabled": cites},
    });
    let content = json!({
        "type": "web_fetch_result",
        "url": url,
        "content": document,
        "retrieved_at": scene.now.rfc3339(),
    });
    Outcome { cited: cited.flatten(), ..Outcome::new(kind, content) }
}

fn ran(kind: &str, stdout: &str) -> Value {
    json!({"type": kind, "stdout": stdout, "stderr": "", "return_code": 0, "content": []})
}

/// The editions that run other tools from code keep what code printed to themselves.
fn computed(tool: &Value, dice: &mut Dice) -> Value {
    if matches!(view::kind(tool), "code_execution_20250522" | "code_execution_20250825") {
        return ran("code_execution_result", "42\n");
    }
    json!({
        "type": "encrypted_code_execution_result",
        "encrypted_stdout": dice.id("Es"),
        "stderr": "",
        "return_code": 0,
        "content": [],
    })
}

fn edited(input: &Value) -> Value {
    match input.get("command").and_then(Value::as_str).unwrap_or_default() {
        "create" => {
            json!({"type": "text_editor_code_execution_create_result", "is_file_update": false})
        }
        "str_replace" => json!({
            "type": "text_editor_code_execution_str_replace_result",
            "lines": ["-One line.", "+A line."],
            "old_start": 1, "old_lines": 1, "new_start": 1, "new_lines": 1,
        }),
        _ => json!({
            "type": "text_editor_code_execution_view_result",
            "file_type": "text",
            "content": "One line.\n",
            "start_line": 1, "num_lines": 1, "total_lines": 1,
        }),
    }
}

fn found<'a>(kind: &'static str, scene: &Scene<'a>) -> Outcome<'a> {
    let deferred = view::tools(scene.params).iter().filter(|tool| tools::is_deferred(tool));
    let found: Vec<_> = deferred.filter_map(view::tool_name).take(FOUND_MAX).collect();
    let references: Vec<_> =
        found.iter().map(|name| json!({"type": "tool_reference", "tool_name": name})).collect();
    let content = json!({"type": "tool_search_tool_search_result", "tool_references": references});
    Outcome { found, ..Outcome::new(kind, content) }
}
