//! Messages of the role system: who reads them, and where they may stand.
//!
//! Several in a row count as one, so the rules of place are about runs of them. A run that stands first, or
//! between a call and its result, is found by the rule for that alone, although its neighbours are wrong as well:
//! the most telling rule is the one a reader wants to see.

use serde_json::{Value, json};

use super::{Answer, Base, Breach, Finding, Rule, Stage, edit, view};
use crate::models::{Confidence, Model};
use crate::version::{OperationId, Version};
use view::Message;

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];

const PAGE: &str = "mid-conversation system messages page";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "system-role-unsupported",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: Some(refuses),
        implies: &[],
        check: |ask, out| {
            let wrong = view::messages(ask.body).any(|message| message.role == "system");
            let message = "role 'system' is not supported on this model";
            out.extend(wrong.then(|| Finding::new("", message)));
        },
        breaches: |base, out| {
            let Some(model) = edit::model(base, refuses) else { return };
            let messages = json!([edit::user(json!("Hello.")), edit::system("Be brief.")]);
            out.push(edit::small_on(base, model, "messages/role", json!({"messages": messages})));
        },
        answer: Answer::invalid("role 'system' is not supported on this model"),
        explanation: "Only some models read system messages amid the conversation. \
            All others take instructions from the top-level `system` parameter only.",
        remedy: "Move the text to `system`, or use a model that reads such messages.",
        source: PAGE,
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "system-message-first",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: Some(may_take),
        implies: &[],
        check: |ask, out| {
            let wrong = runs(ask.body).next().filter(|run| run.before.is_none());
            let message = "the first message cannot have the role system; use the top-level `system` parameter";
            out.extend(wrong.map(|run| run.finding(message)));
        },
        breaches: |base, out| {
            let turns = [edit::user(json!("Hello.")), edit::assistant(json!("Hello."))];
            for (at, messages) in [
                ("messages/alone", json!([edit::system("Be brief.")])),
                ("messages/before-user", json!([edit::system("Be brief."), turns[0]])),
                (
                    "messages/before-assistant",
                    json!([edit::system("Be brief."), turns[1], turns[0]]),
                ),
            ] {
                out.extend(place(base, at, &messages));
            }
        },
        answer: Answer::invalid(
            "messages.0: the first message cannot have the role system; use the top-level `system` parameter",
        ),
        explanation: "A system message adds to a conversation under way. What holds from the start is the top-level \
            `system` parameter. Programs written for other APIs put their system prompt here.",
        remedy: "Move the text to the top-level `system` parameter.",
        source: PAGE,
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "system-message-not-after-user",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: Some(may_take),
        implies: &[],
        check: |ask, out| {
            let wrong = runs(ask.body).filter(|run| {
                !run.splits_pair() && run.before.is_some_and(|before| !may_precede(before))
            });
            out.extend(wrong.map(|run| run.finding(NOT_AFTER_USER)));
        },
        breaches: |base, out| {
            let (user, assistant) = (edit::user(json!("Hello.")), edit::assistant(json!("Hello.")));
            let system = edit::system("Be brief.");
            for (at, messages) in [
                ("messages/between-assistants", json!([user, assistant, system, assistant, user])),
                ("messages/last", json!([user, assistant, system])),
            ] {
                out.extend(place(base, at, &messages));
            }
        },
        answer: Answer::invalid(
            "messages.N: a system message must immediately follow a user turn or an assistant turn that ends in a \
             server tool result",
        ),
        explanation: "A system message speaks between the user's turn and the model's. After an assistant turn it \
            is taken only if that turn ends in a server tool's result, because then the model goes on.",
        remedy: "Put the message directly behind the user's next turn.",
        source: PAGE,
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "system-message-splits-tool-pair",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: Some(may_take),
        implies: &[],
        check: |ask, out| {
            let wrong = runs(ask.body).filter(|run| run.splits_pair());
            let message = "a system message cannot stand between a tool_use and its tool_result";
            out.extend(wrong.map(|run| run.finding(message)));
        },
        breaches: |base, out| {
            let Some(model) = edit::model(base, may_take) else { return };
            let messages = json!([
                edit::hello(),
                edit::assistant(json!([edit::tool_use("toolu_01")])),
                edit::system("Be brief."),
                edit::user(json!([edit::tool_result("toolu_01")])),
            ]);
            out.push(edit::small_on(base, model, "messages", edit::tool_talk(messages)));
        },
        answer: Answer::invalid(
            "messages.N: a system message cannot stand between a tool_use and its tool_result",
        ),
        explanation: "A call and its result are one exchange, and nothing comes between them. A program that tells \
            the model of an event while a tool runs sends this.",
        remedy: "Put the message behind the results.",
        source: PAGE,
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "system-message-before-user",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: Some(may_take),
        implies: &[],
        check: |ask, out| {
            let wrong = runs(ask.body).filter(|run| {
                let is_user = run.after.is_some_and(|after| after.role == "user");
                is_user && run.before.is_some() && !run.splits_pair()
            });
            let message =
                "a system message must be followed by an assistant message or end the conversation";
            out.extend(wrong.map(|run| run.finding(message)));
        },
        breaches: |base, out| {
            let (user, system) = (edit::user(json!("Hello.")), edit::system("Be brief."));
            for (at, messages) in [
                ("messages/one", json!([user, system, user])),
                ("messages/run", json!([user, system, system, user])),
            ] {
                out.extend(place(base, at, &messages));
            }
        },
        answer: Answer::invalid(
            "messages.N: a system message must be followed by an assistant message or end the conversation",
        ),
        explanation: "After a system message the model speaks: the next message is the assistant's, or there is \
            none. A message in front of the user's words stands at the wrong side of them.",
        remedy: "Put the message behind the user's turn instead of in front of it.",
        source: PAGE,
        confidence: Confidence::Documented,
        uncertain: None,
    },
];

const NOT_AFTER_USER: &str = "a system message must immediately follow a user turn or an assistant turn that ends in \
    a server tool result";

fn refuses(model: &Model) -> bool {
    !model.system_messages && !model.system_messages_uncertain
}

/// Where the sources are silent, a message at a wrong place is refused either way: for its role, or for its place.
fn may_take(model: &Model) -> bool {
    !refuses(model)
}

/// System messages in a row, with the messages around them.
#[derive(Clone, Copy)]
struct Run<'a> {
    start: usize,
    before: Option<Message<'a>>,
    after: Option<Message<'a>>,
}

impl Run<'_> {
    fn finding(self, message: &'static str) -> Finding {
        Finding::new(format!("messages.{}", self.start), message)
    }

    fn splits_pair(self) -> bool {
        let has = |side: Option<Message<'_>>, role, kind| {
            side.is_some_and(|m| m.role == role && m.blocks().any(|block| block.kind == kind))
        };
        has(self.before, "assistant", "tool_use") && has(self.after, "user", "tool_result")
    }
}

/// All runs of system messages, in order.
fn runs(params: &Value) -> impl Iterator<Item = Run<'_>> {
    let mut rest = view::messages(params).peekable();
    let mut before = None;
    std::iter::from_fn(move || {
        while let Some(message) = rest.next_if(|message| message.role != "system") {
            before = Some(message);
        }
        let start = rest.peek()?.index;
        while rest.next_if(|message| message.role == "system").is_some() {}
        Some(Run { start, before, after: rest.peek().copied() })
    })
}

fn may_precede(before: Message<'_>) -> bool {
    let last = || before.blocks().next_back();
    before.role == "user" || last().is_some_and(|block| view::is_server_tool_result(block.kind))
}

/// A breach on a model that may read system messages.
fn place(base: &Base<'_>, at: &'static str, messages: &Value) -> Option<Breach> {
    let model = edit::model(base, may_take)?;
    Some(edit::small_on(base, model, at, json!({"messages": messages})))
}
