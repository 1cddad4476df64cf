//! Walks over message parameters, shared by the rules.
//!
//! Everything here reads a body that has passed its schema, yet never assumes it: a missing or odd member is
//! skipped, because a rule that panics would take the server down with it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// A message with its place.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    pub index: usize,
    pub role: &'a str,
    pub content: &'a Value,
}

/// A content block with its place: `messages.{message}.content.{index}`.
#[derive(Clone, Copy)]
pub struct Block<'a> {
    pub message: usize,
    pub role: &'a str,
    pub index: usize,
    pub kind: &'a str,
    pub value: &'a Value,
}

impl Block<'_> {
    /// Dotted path of the block, as the API writes it.
    pub fn path(&self) -> String {
        format!("messages.{}.content.{}", self.message, self.index)
    }

    pub fn text(&self, member: &str) -> Option<&str> {
        self.value.get(member).and_then(Value::as_str)
    }
}

impl<'a> Message<'a> {
    /// The blocks of array content; none if the content is a string.
    pub fn blocks(self) -> impl DoubleEndedIterator<Item = Block<'a>> {
        list(self.content).iter().enumerate().map(move |(index, value)| Block {
            message: self.index,
            role: self.role,
            index,
            kind: kind(value),
            value,
        })
    }

    /// The blocks, or the one text block that a string stands for; none if there is nothing in it.
    pub fn parts(self) -> impl Iterator<Item = Block<'a>> + Clone {
        let text = Some(self.content).filter(|content| content.is_string() && !self.is_empty());
        let blocks = list(self.content).iter().map(|value| (kind(value), value));
        let parts = text.map(|content| ("text", content)).into_iter().chain(blocks);
        parts.enumerate().map(move |(index, (kind, value))| Block {
            message: self.index,
            role: self.role,
            index,
            kind,
            value,
        })
    }

    /// Whether there is nothing in it: an empty string or an empty list.
    pub fn is_empty(self) -> bool {
        match self.content {
            Value::String(text) => text.is_empty(),
            Value::Array(blocks) => blocks.is_empty(),
            _ => false,
        }
    }
}

/// The messages in order.
pub fn messages(
    params: &Value,
) -> impl DoubleEndedIterator<Item = Message<'_>> + ExactSizeIterator {
    member_list(params, "messages").iter().enumerate().map(|(index, value)| message(index, value))
}

/// A message that stands at that place.
pub fn message(index: usize, value: &Value) -> Message<'_> {
    Message { index, role: role(value), content: value.get("content").unwrap_or(&Value::Null) }
}

/// The role of a message; empty if there is none.
pub fn role(message: &Value) -> &str {
    message.get("role").and_then(Value::as_str).unwrap_or_default()
}

/// The id that the block has under that member; empty if there is none.
pub fn id<'a>(block: Block<'a>, member: &str) -> &'a str {
    block.value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// All top-level content blocks of all messages, in order.
pub fn blocks(params: &Value) -> impl Iterator<Item = Block<'_>> {
    messages(params).flat_map(Message::blocks)
}

/// The tools in order.
pub fn tools(params: &Value) -> &[Value] {
    member_list(params, "tools")
}

/// A tool's name; toolsets have none.
pub fn tool_name(tool: &Value) -> Option<&str> {
    tool.get("name").and_then(Value::as_str)
}

/// The name of a toolset, which its type begins with: `computer` or `browser`; `None` for any other tool.
pub fn toolset_name(tool: &Value) -> Option<&str> {
    kind(tool).split_once("_toolset_").map(|(name, _)| name)
}

/// The `type` member; empty if there is none.
pub fn kind(value: &Value) -> &str {
    value.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// `thinking.type`; empty if the parameter is absent.
pub fn thinking(params: &Value) -> &str {
    params.get("thinking").map_or("", kind)
}

/// `tool_choice.type`; empty if the parameter is absent.
pub fn tool_choice(params: &Value) -> &str {
    params.get("tool_choice").map_or("", kind)
}

/// The elements of an array member; none if it is absent or something else.
pub fn member_list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value.get(member).map_or(&[], list)
}

/// The elements of an array; none if it is something else.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A place below the parameters, kept as a chain on the stack so that walking costs nothing; only a finding
/// pays for the path.
#[derive(Clone, Copy)]
pub struct Place<'p> {
    pub parent: Option<&'p Self>,
    pub member: &'static str,
    /// `None` if the member is no list.
    pub index: Option<usize>,
}

impl Place<'_> {
    /// Dotted path, as the API writes it.
    pub fn path(self) -> String {
        let index = self.index.map(|index| format!(".{index}")).unwrap_or_default();
        let own = format!("{}{index}", self.member);
        self.parent.map_or_else(|| own.clone(), |parent| format!("{}.{own}", parent.path()))
    }
}

/// Visits every content block of every message, those inside results and documents included, innermost
/// first: the order in which the API reads cache breakpoints.
///
/// What is inside the results of server tools is left out: the API has made it, and answers for it.
pub fn each_block<'a>(params: &'a Value, visit: &mut dyn FnMut(Place<'_>, &'a Value)) {
    each_in_messages(params, inside, visit);
}

/// The same with what is inside the results of server tools: a breakpoint may be set there, too.
pub fn each_markable<'a>(params: &'a Value, visit: &mut dyn FnMut(Place<'_>, &'a Value)) {
    each_in_messages(params, inside_all, visit);
}

/// The blocks inside a block, and the member that holds them.
type Inside = fn(&Value) -> (&'static str, &[Value]);

/// Holds one block instead of a list.
const FETCHED: &str = "content.content";

fn inside(block: &Value) -> (&'static str, &[Value]) {
    match kind(block) {
        "tool_result" | "search_result" => ("content", member_list(block, "content")),
        "document" => ("source.content", of_member(block, "source", "content")),
        _ => ("", &[]),
    }
}

fn inside_all(block: &Value) -> (&'static str, &[Value]) {
    let fetched = || block.get("content")?.get("content");
    match kind(block) {
        "web_fetch_tool_result" => (FETCHED, fetched().map_or(&[], std::slice::from_ref)),
        "tool_search_tool_result" => {
            ("content.tool_references", of_member(block, "content", "tool_references"))
        }
        _ => inside(block),
    }
}

fn of_member<'a>(block: &'a Value, member: &str, list: &str) -> &'a [Value] {
    block.get(member).map_or(&[], |value| member_list(value, list))
}

fn each_in_messages<'a>(
    params: &'a Value,
    inside: Inside,
    visit: &mut dyn FnMut(Place<'_>, &'a Value),
) {
    for message in messages(params) {
        let parent = Place { parent: None, member: "messages", index: Some(message.index) };
        each_below(parent, ("content", list(message.content)), inside, visit);
    }
}

/// Recursion ends with the JSON, whose depth the parser has limited.
fn each_below<'a>(
    parent: Place<'_>,
    (member, blocks): (&'static str, &'a [Value]),
    inside: Inside,
    visit: &mut dyn FnMut(Place<'_>, &'a Value),
) {
    for (index, block) in blocks.iter().enumerate() {
        let index = (member != FETCHED).then_some(index);
        let place = Place { parent: Some(&parent), member, index };
        each_below(place, inside(block), inside, visit);
        visit(place, block);
    }
}

/// Visits the sources of that kind of block that hold base64, with what they say they are.
pub fn each_source<'a>(
    params: &'a Value,
    wanted: &str,
    visit: &mut dyn FnMut(Place<'_>, &'a str, &'a str),
) {
    each_block(params, &mut |place, block| {
        let Some(source) = block.get("source").filter(|_| kind(block) == wanted) else {
            return;
        };
        let text = |member| source.get(member).and_then(Value::as_str);
        if let (Some(said), Some(data), "base64") = (text("media_type"), text("data"), kind(source))
        {
            visit(place, said, data);
        }
    });
}

/// Holds the size of a PNG, GIF or WebP, and the mark of a PDF. A multiple of four characters, as base64 wants.
pub const HEAD_CHARS: usize = 64;

/// Decodes as much of the start as `chars` base64 characters hold; `None` if that is not base64.
pub fn base64_head<'b>(data: &str, chars: usize, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let start = data.as_bytes().get(..chars).unwrap_or(data.as_bytes());
    let length = STANDARD.decode_slice(start, buffer).ok()?;
    buffer.get(..length)
}

/// Whether the member is there and not `null`.
pub fn given(value: &Value, member: &str) -> bool {
    value.get(member).is_some_and(|value| !value.is_null())
}

/// A whole number, also when it is written with a fraction of zero, which JSON Schema counts as an integer.
pub fn integer(value: &Value, member: &str) -> Option<u64> {
    let number = value.get(member)?;
    number
        .as_u64()
        .or_else(|| number.as_f64().filter(|n| *n >= 0.0 && n.fract() == 0.0).map(|n| n as u64))
}

/// `output_config.format`, if it is given.
pub fn output_format(params: &Value) -> Option<&Value> {
    params.get("output_config")?.get("format").filter(|format| !format.is_null())
}

/// `output_config.effort`; empty if it is not given.
pub fn effort(params: &Value) -> &str {
    params
        .get("output_config")
        .and_then(|config| config.get("effort"))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Whether `tool_choice` makes the model call a tool.
pub fn forces_tool(params: &Value) -> bool {
    matches!(tool_choice(params), "any" | "tool")
}

/// Whether one of the `anthropic-beta` fields names that value.
pub fn has_beta(request: &classify::Request, beta: &str) -> bool {
    betas(request).any(|value| value == beta)
}

/// The values of all `anthropic-beta` fields, joined by commas or repeated.
pub fn betas(request: &classify::Request) -> impl Iterator<Item = &str> {
    request
        .headers
        .all("anthropic-beta")
        .flat_map(|field| field.split(','))
        .map(str::trim)
        .filter(|v| !v.is_empty())
}

/// The id in the path of a batch; `None` if it is another path.
pub fn batch_id(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/v1/messages/batches/")?;
    let (id, action) = rest.split_once('/').unwrap_or((rest, ""));
    (!id.is_empty() && matches!(action, "" | "cancel" | "results")).then_some(id)
}

/// The members of the query in order, decoded.
pub fn query(request: &classify::Request) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    request.query().split('&').filter(|member| !member.is_empty()).map(|member| {
        let (name, value) = member.split_once('=').unwrap_or((member, ""));
        (decoded(name), decoded(value))
    })
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

/// Whether a member of the query narrows the list of models. SDKs write it with brackets, hands without.
pub fn is_lifecycle(name: &str) -> bool {
    matches!(name, "lifecycle[]" | "lifecycle")
}

/// The first element that equals an earlier one, with its index.
///
/// Short lists, which are nearly all, are compared pairwise and cost no memory.
pub fn first_duplicate<'a>(
    items: impl Iterator<Item = (usize, &'a str)> + Clone,
) -> Option<(usize, &'a str)> {
    /// Where a tree becomes cheaper than comparing pairs.
    const PAIRWISE_MAX: usize = 16;
    if items.clone().nth(PAIRWISE_MAX).is_some() {
        let mut seen = std::collections::BTreeSet::new();
        return items.into_iter().find(|(_, item)| !seen.insert(*item));
    }
    let earlier = items.clone();
    items
        .enumerate()
        .find(|(n, (_, item))| earlier.clone().take(*n).any(|(_, e)| e == *item))
        .map(|(_, found)| found)
}

/// Whether a block is part of a server tool's work: its call or its result.
pub fn is_server_tool(kind: &str) -> bool {
    kind == "server_tool_use" || is_server_tool_result(kind)
}

/// Whether a block is what a server tool has found.
pub fn is_server_tool_result(kind: &str) -> bool {
    kind.ends_with("_tool_result") && kind != "mcp_tool_result"
}

/// Whether a tool's input is held to its schema by a grammar.
pub fn is_strict(tool: &Value) -> bool {
    tool.get("strict") == Some(&Value::Bool(true))
}
