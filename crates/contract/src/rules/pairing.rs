//! Calls of the client's tools and their results.
//!
//! The API merges consecutive messages of one role before it looks, so "the next message" is the next *turn*
//! here: a run of messages of one role. The price is one more loop; without it, results spread over two user
//! messages would be refused although the API takes them. A system message in the midst belongs to the turn before
//! it: whether it may stand there is another rule's business.

use std::collections::BTreeSet;

use classify::Class;
use serde_json::{Value, json};

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, Uncertain, edit, view};
use crate::models::Confidence;
use crate::version::{OperationId, Version};
use view::{Block, id, role};

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "tool-use-unanswered",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_unanswered,
        breaches: break_unanswered,
        answer: UNANSWERED,
        explanation: "Every tool call of the model must be answered by a result in the very next message. \
            A conversation that was cut off between call and result, or in which the user spoke instead, cannot be \
            continued as it is.",
        remedy: "Send a `tool_result` for every id, if need be with `is_error: true`, or drop the call as well.",
        source: "anthropics/claude-code#3512; tool use pages",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "tool-result-unpaired",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_unpaired,
        breaches: break_unpaired,
        answer: Answer::invalid(
            "messages.N.content.M: unexpected `tool_use_id` found in `tool_result` blocks: ID. Each `tool_result` \
             block must have a corresponding `tool_use` block in the previous message.",
        ),
        explanation: "A result answers a call of the message right before it. \
            Trimming old messages often removes the call and keeps its result.",
        remedy: "Drop results whose call is gone; trim calls and results together.",
        source: "many public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "tool-result-duplicate",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_duplicate_result,
        breaches: |base, out| {
            let twice = answered(&["toolu_01", "toolu_01"]);
            let messages = json!([edit::hello(), called(&["toolu_01"]), twice]);
            out.push(edit::small(base, "messages/content/tool_result", edit::tool_talk(messages)));
        },
        answer: Answer::invalid(
            "messages.N.content.M: each tool_use must have a single result. Found multiple `tool_result` blocks \
             with id: ID",
        ),
        explanation: "A call has one result. \
            Two come from a retry that stored its result again, or from joining two copies of a conversation.",
        remedy: "Keep one result per call.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "tool-result-not-first",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_order,
        breaches: break_order,
        answer: UNANSWERED,
        explanation: "In the turn that answers tool calls the results come first, text after them. \
            The API stops looking for results at the first other block, hence the answer that says there are none. \
            A message of the user's in front of the one with the results is such text as well.",
        remedy: "Put all `tool_result` blocks in front of the text.",
        source: "handle tool calls page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "tool-use-id-repeated",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_repeated_use,
        breaches: |base, out| {
            let (call, twice) = (called(&["toolu_01"]), called(&["toolu_01", "toolu_01"]));
            let result = answered(&["toolu_01"]);
            for (at, messages) in [
                ("messages/content/tool_use/id", json!([edit::hello(), twice, result])),
                ("messages/content/tool_use", json!([edit::hello(), call, call, result])),
            ] {
                out.push(edit::small(base, at, edit::tool_talk(messages)));
            }
        },
        answer: Answer::invalid(NOT_UNIQUE),
        explanation: "Two calls of one turn are answered in the same message, each by a result that names its id. \
            With one id for both nobody can say which call a result is for. Joining the pieces of a stream twice \
            sends a call twice.",
        remedy: "Send each call once, with the id that the model gave it.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "tool-use-id-duplicate",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_duplicate_use,
        breaches: |base, out| {
            let (call, result) = (called(&["toolu_01"]), answered(&["toolu_01"]));
            let messages = json!([edit::hello(), call, result, call, result]);
            out.push(edit::small(base, "messages/content/tool_use/id", edit::tool_talk(messages)));
        },
        answer: Answer::invalid(NOT_UNIQUE),
        explanation: "Every call has an id of its own, also among those of earlier turns. \
            Clients that number calls from one in each turn repeat them.",
        remedy: "Send the ids back as the model gave them.",
        source: "conflicting public reports",
        confidence: Confidence::Observed,
        uncertain: Some(Uncertain {
            classes: &[Class::InvalidRequest, Class::Accepted, Class::Streamed],
            question: "May an id recur in a later turn? One report shows the refusal, another (August 2026, through \
                a proxy) an answer.",
        }),
    },
    Rule {
        id: "tool-blocks-without-tools",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: |ask, out| {
            let is_of_tool = |block: Block<'_>| matches!(block.kind, "tool_result" | "tool_use");
            let wrong = view::tools(ask.body).is_empty() && view::blocks(ask.body).any(is_of_tool);
            out.extend(wrong.then(|| Finding::new("", WITHOUT_TOOLS)));
        },
        breaches: |base, out| {
            let messages = json!([edit::hello(), called(&["toolu_01"]), answered(&["toolu_01"])]);
            out.push(edit::small(base, "tools", json!({"messages": messages})));
        },
        answer: Answer::invalid(WITHOUT_TOOLS),
        explanation: "A conversation in which tools were called goes on with their definitions at hand. \
            A request that sums up or names an old conversation leaves them out easily.",
        remedy: "Send the same `tools` as before, with `tool_choice` of type `none` if none shall be called.",
        source: "public reports, older ones or through gateways",
        confidence: Confidence::Observed,
        uncertain: Some(Uncertain {
            classes: &[Class::InvalidRequest, Class::Accepted, Class::Streamed],
            question: "Does the API itself refuse this? The wording is known from older reports and from gateways, and \
                no page states the demand.",
        }),
    },
];

const UNANSWERED: Answer = Answer::invalid(
    "messages.N: `tool_use` ids were found without `tool_result` blocks immediately after: IDS. Each `tool_use` \
     block must have a corresponding `tool_result` block in the next message.",
);

const NOT_UNIQUE: &str = "messages.N.content.M: `tool_use` ids must be unique";

const WITHOUT_TOOLS: &str =
    "Requests which include `tool_use` or `tool_result` blocks must define tools.";

/// Consecutive messages of one role, with system messages that follow them.
#[derive(Clone, Copy)]
struct Turn<'a> {
    messages: &'a [Value],
    first: usize,
}

impl<'a> Turn<'a> {
    fn blocks(self, wanted: &'static str) -> impl Iterator<Item = Block<'a>> + Clone {
        self.all().filter(move |block| block.kind == wanted)
    }

    /// The blocks, each string as one: to the API they are the same.
    fn all(self) -> impl Iterator<Item = Block<'a>> + Clone {
        let messages = self.messages.iter().enumerate();
        messages.flat_map(move |(n, message)| view::message(self.first + n, message).parts())
    }

    fn role(self) -> &'a str {
        self.messages.first().map_or("", role)
    }
}

/// Pairs of neighbouring turns; the first has nothing before it, the last nothing after.
fn neighbours(params: &Value) -> impl Iterator<Item = (Option<Turn<'_>>, Option<Turn<'_>>)> {
    let mut rest = view::member_list(params, "messages");
    let (mut first, mut before, mut done) = (0, None, false);
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let same = |message: &&Value| role(message) == role(&rest[0]) || role(message) == "system";
        let length = rest.iter().take_while(same).count();
        let after = (length > 0).then(|| Turn { messages: &rest[..length], first });
        (rest, first, done) = (&rest[length..], first + length, length == 0);
        Some((std::mem::replace(&mut before, after), after))
    })
}

fn results(turn: Option<Turn<'_>>) -> impl Iterator<Item = Block<'_>> + Clone {
    turn.filter(|turn| turn.role() == "user")
        .into_iter()
        .flat_map(|turn| turn.blocks("tool_result"))
}

fn uses(turn: Option<Turn<'_>>) -> impl Iterator<Item = Block<'_>> + Clone {
    turn.filter(|turn| turn.role() == "assistant")
        .into_iter()
        .flat_map(|turn| turn.blocks("tool_use"))
}

/// The ids of `those` blocks that stand in none of the `others`. Few calls are compared pairwise; for many, a
/// set keeps a hostile request from costing the square of its length.
fn missing<'a>(
    those: impl Iterator<Item = Block<'a>> + Clone,
    member: &'static str,
    others: impl Iterator<Item = &'a str> + Clone,
) -> impl Iterator<Item = Block<'a>> {
    const PAIRWISE_MAX: usize = 16;
    let set: Option<BTreeSet<&str>> =
        others.clone().nth(PAIRWISE_MAX).map(|_| others.clone().collect());
    those.filter(move |block| {
        let wanted = id(*block, member);
        !set.as_ref()
            .map_or_else(|| others.clone().any(|other| other == wanted), |set| set.contains(wanted))
    })
}

fn check_unanswered(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    for (turn, next) in neighbours(ask.body) {
        let answered = results(next).map(|block| id(block, "tool_use_id"));
        let open: Vec<_> = missing(uses(turn), "id", answered).collect();
        if let Some(first) = open.first() {
            out.push(unanswered(first.message, &open));
        }
    }
}

fn unanswered(message: usize, open: &[Block<'_>]) -> Finding {
    let ids: Vec<_> = open.iter().map(|block| id(*block, "id")).collect();
    let message_text = format!(
        "`tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must \
         have a corresponding `tool_result` block in the next message.",
        ids.join(", ")
    );
    Finding::new(format!("messages.{message}"), message_text)
}

fn break_unanswered(base: &Base<'_>, out: &mut Vec<Breach>) {
    let one_of_two = answered(&["toolu_01"]);
    for (at, messages) in [
        (
            "messages/content/tool_use",
            json!([edit::hello(), called(&["toolu_01"]), edit::user(json!("Well?"))]),
        ),
        (
            "messages/content/tool_use/one-of-two",
            json!([edit::hello(), called(&["toolu_01", "toolu_02"]), one_of_two]),
        ),
    ] {
        out.push(edit::small(base, at, edit::tool_talk(messages)));
    }
}

fn check_unpaired(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    for (before, turn) in neighbours(ask.body) {
        for block in
            missing(results(turn), "tool_use_id", uses(before).map(|block| id(block, "id")))
        {
            let message = format!(
                "unexpected `tool_use_id` found in `tool_result` blocks: {}. Each `tool_result` block must have a \
                 corresponding `tool_use` block in the previous message.",
                id(block, "tool_use_id")
            );
            out.push(Finding::new(block.path(), message));
        }
    }
}

fn break_unpaired(base: &Base<'_>, out: &mut Vec<Breach>) {
    let result = || answered(&["toolu_01"]);
    let both = answered(&["toolu_01", "toolu_02"]);
    let said = edit::assistant(json!("18 degrees."));
    for (at, messages) in [
        ("messages/content/tool_result/alone", json!([result()])),
        (
            "messages/content/tool_result/one-too-many",
            json!([edit::hello(), called(&["toolu_01"]), both]),
        ),
        (
            "messages/content/tool_result/too-late",
            json!([edit::hello(), called(&["toolu_01"]), result(), said, result()]),
        ),
    ] {
        out.push(edit::small(base, at, edit::tool_talk(messages)));
    }
}

fn check_duplicate_result(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    for (_, turn) in neighbours(ask.body) {
        let ids = results(turn).enumerate().map(|(n, block)| (n, id(block, "tool_use_id")));
        let Some((n, duplicate)) = view::first_duplicate(ids) else { continue };
        let path = results(turn).nth(n).map(|block| block.path()).unwrap_or_default();
        let message = format!(
            "each tool_use must have a single result. Found multiple `tool_result` blocks with id: {duplicate}"
        );
        out.push(Finding::new(path, message));
    }
}

fn check_order(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    for (before, turn) in neighbours(ask.body) {
        let (Some(turn), Some(_)) =
            (turn.filter(|turn| turn.role() == "user"), uses(before).next())
        else {
            continue;
        };
        let late = turn
            .all()
            .filter(|block| block.role == "user")
            .skip_while(|block| block.kind == "tool_result")
            .filter(|block| block.kind == "tool_result");
        let late: BTreeSet<_> = late.map(|block| id(block, "tool_use_id")).collect();
        let hidden: Vec<_> = uses(before).filter(|call| late.contains(id(*call, "id"))).collect();
        if let Some(first) = hidden.first() {
            out.push(unanswered(first.message, &hidden));
        }
    }
}

fn break_order(base: &Base<'_>, out: &mut Vec<Breach>) {
    let (call, wait) = (called(&["toolu_01"]), edit::user(json!("Wait.")));
    let late = edit::user(json!([edit::text("Here it is."), edit::tool_result("toolu_01")]));
    for (at, messages) in [
        ("messages/content/tool_result", json!([edit::hello(), call, late])),
        ("messages/content", json!([edit::hello(), call, wait, answered(&["toolu_01"])])),
    ] {
        out.push(edit::small(base, at, edit::tool_talk(messages)));
    }
}

fn not_unique(block: Block<'_>) -> Finding {
    Finding::new(block.path(), "`tool_use` ids must be unique")
}

fn check_repeated_use(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    for (_, turn) in neighbours(ask.body) {
        let mut seen = BTreeSet::new();
        out.extend(uses(turn).filter(|block| !seen.insert(id(*block, "id"))).map(not_unique));
    }
}

fn check_duplicate_use(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let mut earlier = BTreeSet::new();
    for (_, turn) in neighbours(ask.body) {
        let again = uses(turn).filter(|block| earlier.contains(id(*block, "id")));
        out.extend(again.map(not_unique));
        earlier.extend(uses(turn).map(|block| id(block, "id")));
    }
}

fn called(ids: &[&str]) -> Value {
    edit::assistant(ids.iter().map(|id| edit::tool_use(id)).collect())
}

fn answered(ids: &[&str]) -> Value {
    edit::user(ids.iter().map(|id| edit::tool_result(id)).collect())
}
