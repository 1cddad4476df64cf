//! What is broken, rule by rule: what is demanded, what was sent, what came back, and whose fault it is.

use std::borrow::Cow;

use classify::stream::{self, TraceLine, Violation};
use classify::{Body, Observation, Reply, Request};
use contract::conformance::blame::Exchange;
use contract::level::Level;
use wire::journal::is_allowed;
use wire::record::secrets::Secrets;

use super::super::first::sendable;
use super::super::told::{Breach, Told, meaning};
use super::{LINE_CHARS_MAX, Look, anchor, put_look};
use crate::console::{count, thousands};
use crate::curl::curl;
use crate::html::{Html, PAGE_BYTES_MAX, put_evidence};

/// A curl line that is longer is a test of long lines; the replay command makes it whole.
const CURL_CHARS_MAX: usize = 3_000;
/// Of a body: an error and the beginning of an answer.
const BODY_CHARS_MAX: usize = 1_600;
/// Of a body that was passed on by a gateway, where it is one of four.
const BEHIND_CHARS_MAX: usize = 1_000;
/// Of a header field.
const FIELD_CHARS_MAX: usize = 200;
/// Of what a rule demands, and of a trace.
const WORDS_CHARS_MAX: usize = 900;
/// Left for the summaries of what has no room for its evidence, and for the end of the page.
const RESERVE_BYTES: usize = 300_000;

/// By level, weakest first.
pub(super) fn sections(html: &mut Html, told: &Told<'_>) {
    html.raw("<section aria-labelledby=\"breaches\">\n<h2 id=\"breaches\">What is broken</h2>\n");
    let breaches = told.breaches();
    if breaches.is_empty() {
        html.raw("<p>Nothing.</p>\n");
    }
    let mut left_out = 0;
    for level in Level::ALL {
        let own: Vec<_> = breaches.iter().filter(|breach| breach.level == level).collect();
        if own.is_empty() {
            continue;
        }
        html.raw("<section class=\"sc\">\n<h3 id=\"level-")
            .raw(level.name())
            .raw("\">Breaks level ");
        html.raw(level.name()).raw(" <span class=\"dim\">").text(&count(own.len(), "rule"));
        html.raw("</span> <a class=\"up\" href=\"#matrix\">↑ matrix</a></h3>\n<p class=\"dim\">");
        html.raw(meaning(level)).raw("</p>\n");
        for breach in own {
            let story = story(told, breach);
            let has_room = html.len() + story.len() + RESERVE_BYTES <= PAGE_BYTES_MAX;
            left_out += usize::from(!has_room);
            put(html, told, breach, has_room.then_some(&story));
        }
        html.raw("</section>\n");
    }
    if left_out > 0 {
        html.raw("<p class=\"dim\">To keep the page small, the evidence of ").count(left_out);
        html.raw(" rules is left out; the commands show it.</p>\n");
    }
    html.raw("</section>\n");
}

/// One rule. The anchor stands inside, so that a link opens what it leads to without a script.
fn put(html: &mut Html, told: &Told<'_>, breach: &Breach<'_>, story: Option<&Html>) {
    let row = breach.row;
    html.raw("<details class=\"cell f\"><summary>");
    put_look(html, Look::Wrong, "wrong");
    html.raw(" <b>").text(&row.id).raw("</b> <span class=\"tag\">").text(&breach.blames());
    html.raw("</span> <span class=\"dim\">");
    let why = breach.specimen.map(|specimen| &*specimen.finding.trace).or(row.why.as_deref());
    html.brief(&told.key.scrub(why.unwrap_or_default()), LINE_CHARS_MAX);
    html.raw("</span></summary>\n<div class=\"in\" id=\"").text(&anchor(&row.id)).raw("\">\n<p>");
    html.prose(&breach.demand()).raw("</p>\n");
    if let Some(story) = story {
        html.html(story);
    }
    facts(html, told, breach);
    let specimen = breach.specimen.map(|specimen| &specimen.case);
    let case = specimen.or_else(|| row.examples.first()).map(|id| sendable(id));
    if let Some(case) = case {
        html.raw("<p class=\"cmd\"><code>");
        html.text(&told.key.scrub(&told.head.replay_command(&case))).raw("</code></p>\n");
    }
    html.raw("</div></details>\n");
}

fn facts(html: &mut Html, told: &Told<'_>, breach: &Breach<'_>) {
    let row = breach.row;
    if let Some(entry) = breach.entry {
        if !entry.remedy.is_empty() {
            // The words about a request are for whoever makes it.
            let is_of_request = row.id.starts_with("refuses/");
            let whose = if is_of_request { "As a caller." } else { "Remedy." };
            html.raw("<p><b>").raw(whose).raw("</b> ").prose(&entry.remedy).raw("</p>\n");
        }
        if !entry.source.is_empty() {
            html.raw("<p class=\"dim\">Stated in ").text(&entry.source).raw("</p>\n");
        }
    }
    if !breach.seen.is_empty() {
        html.raw("<p class=\"dim\">Seen in ");
        for (number, evidence) in breach.seen.iter().enumerate() {
            html.raw(if number > 0 { ", " } else { "" });
            put_evidence(html, evidence);
        }
        html.raw("</p>\n");
    }
    html.raw("<p class=\"dim\">Wrong in ").text(&thousands(row.wrong)).raw(" of ");
    html.text(&count(row.cases, "case"));
    for (number, id) in row.examples.iter().enumerate() {
        html.raw(if number > 0 { ", " } else { ": " }).raw("<code>");
        html.brief(&told.key.scrub(id), LINE_CHARS_MAX).raw("</code>");
    }
    if let Some(word) = breach.word() {
        html.raw(" · <code>probity explain ").text(word).raw("</code>");
    }
    html.raw("</p>\n");
}

/// What was sent and what came back, on both sides of a gateway where both are known.
fn story(told: &Told<'_>, breach: &Breach<'_>) -> Html {
    let mut html = Html::default();
    let Some(specimen) = breach.specimen else { return html };
    let finding = &specimen.finding;
    if finding.rule.starts_with("answer-") {
        html.raw("<div class=\"two\"><div><h4>Expected</h4><p>")
            .brief(&specimen.expected, WORDS_CHARS_MAX);
        html.raw("</p></div><div><h4>What came back</h4><p>");
        html.brief(&told.key.scrub(&specimen.got), WORDS_CHARS_MAX).raw("</p></div></div>\n");
    }
    html.raw("<p><b>").raw(finding.blame.name()).raw("</b> <span class=\"detail\">");
    if !finding.pointer.is_empty() {
        html.brief(&told.key.scrub(&finding.pointer), FIELD_CHARS_MAX).raw(": ");
    }
    html.brief(&told.key.scrub(&finding.trace), WORDS_CHARS_MAX).raw("</span></p>\n");
    let reply = match &specimen.observation {
        Some(Observation::Reply(reply)) => Some(reply),
        Some(Observation::Cut(cut)) => cut.partial.as_ref(),
        Some(Observation::Unsendable(_)) | None => None,
    };
    if let Some(reply) = reply {
        place(&mut html, told, reply, breach);
    }
    html.raw("<div class=\"two\"><div><h4>Request</h4>");
    let line = curl(&specimen.request, Some(&told.head.target));
    html.raw("<pre>").lines(&told.key.scrub(&line.lines("")), CURL_CHARS_MAX).raw("</pre>");
    if line.body_file.is_some() {
        html.raw("<p class=\"dim\">The body has ").text(&count_of_bytes(&specimen.request));
        html.raw("; the command at the end makes and sends it.</p>");
    }
    html.raw("</div>\n");
    html.raw("<div><h4>Answer</h4>");
    answer(&mut html, told, specimen.observation.as_ref());
    html.raw("</div></div>\n");
    if let Some(exchange) = &specimen.behind {
        behind(&mut html, told, exchange);
    }
    html
}

/// The smallest part of the answer that shows it: the value, or the events around the place.
fn place(html: &mut Html, told: &Told<'_>, reply: &Reply, breach: &Breach<'_>) {
    let Some(specimen) = breach.specimen else { return };
    let body = told.key.scrub_bytes(&reply.body);
    if let Some(rule) = stream::Rule::parse(&breach.row.id) {
        // What is not kept whole ends where we cut it, which is nobody's fault.
        let lint = (!specimen.is_cut).then(|| stream::lint(&body));
        let violations = lint.map(|lint| lint.violations).unwrap_or_default();
        if let Some(violation) = violations.iter().find(|violation| violation.rule == rule) {
            events(html, violation);
        }
        return;
    }
    let pointer = &specimen.finding.pointer;
    let value = serde_json::from_slice::<serde_json::Value>(&body).ok();
    if let Some(value) =
        value.as_ref().and_then(|value| value.pointer(pointer)).filter(|_| !pointer.is_empty())
    {
        html.raw("<pre class=\"at\">").brief(pointer, FIELD_CHARS_MAX).raw("  ");
        html.brief(&value.to_string(), FIELD_CHARS_MAX).raw("</pre>\n");
    }
}

fn events(html: &mut Html, violation: &Violation) {
    html.raw("<div class=\"scroll\"><table class=\"trace\">\n<thead><tr><th scope=\"col\">event</th><th scope=\"col\">byte</th><th scope=\"col\">name</th><th scope=\"col\">data</th></tr></thead>\n<tbody>\n");
    for line in &violation.trace {
        let TraceLine { event_idx, offset, name, data_excerpt, is_culprit } = line;
        html.raw(if *is_culprit { "<tr class=\"culprit\"><td>▶ " } else { "<tr><td>" });
        html.count(*event_idx).raw("</td><td>").count(*offset).raw("</td><td>");
        html.brief(name, FIELD_CHARS_MAX).raw("</td><td>").text(data_excerpt).raw("</td></tr>\n");
    }
    if violation.trace.iter().all(|line| !line.is_culprit) {
        // What is missing is missing at the end.
        html.raw("<tr class=\"culprit\"><td>▶ ").count(violation.event_idx).raw("</td><td>");
        html.count(violation.offset).raw("</td><td></td><td>nothing more came</td></tr>\n");
    }
    html.raw("</tbody>\n</table></div>\n");
}

fn answer(html: &mut Html, told: &Told<'_>, observation: Option<&Observation>) {
    match observation {
        Some(Observation::Reply(reply)) => put_reply(html, told, reply, BODY_CHARS_MAX),
        Some(Observation::Cut(cut)) => {
            html.raw("<p>The connection ended early: ")
                .text(&format!("{:?}", cut.kind))
                .raw("</p>");
            if let Some(reply) = &cut.partial {
                put_reply(html, told, reply, BODY_CHARS_MAX);
            }
        }
        Some(Observation::Unsendable(why)) => {
            html.raw("<p>").brief(&told.key.scrub(why), WORDS_CHARS_MAX).raw("</p>");
        }
        None => _ = html.raw("<p>Two answers to the same request, one of them a stream.</p>"),
    }
}

/// Header fields pass the allow-list of journals.
fn put_reply(html: &mut Html, told: &Told<'_>, reply: &Reply, chars_max: usize) {
    html.raw("<pre><b>").number(reply.status).raw("</b>\n");
    // What the server gives as a secret of its own, such as a cookie, is nobody else's.
    let secrets = Secrets::default().and(&reply.headers, "");
    // What a clock decides would make two runs differ.
    let shown = |name: &str| is_allowed(name) && !name.eq_ignore_ascii_case("date");
    for (name, value) in reply.headers.iter().filter(|(name, _)| shown(name)) {
        html.brief(name, FIELD_CHARS_MAX).raw(": ");
        let value = secrets.scrub_target(&told.key.scrub(value));
        html.brief(&value, FIELD_CHARS_MAX).raw("\n");
    }
    let body = secrets.scrub(&text(told, &reply.body));
    html.raw("\n").lines(&body, chars_max).raw("</pre>");
}

fn behind(html: &mut Html, told: &Told<'_>, exchange: &Exchange) {
    let Exchange { request, reply, breaks } = exchange;
    html.raw("<div class=\"two\"><div><h4>What the upstream got</h4>");
    for broken in breaks.iter().take(3) {
        html.raw("<p class=\"detail\">✗ ")
            .brief(&told.key.scrub(broken), WORDS_CHARS_MAX)
            .raw("</p>");
    }
    html.raw("<pre><b>").brief(&request.method, FIELD_CHARS_MAX).raw(" ");
    html.brief(&told.key.scrub(&request.target), FIELD_CHARS_MAX).raw("</b>\n");
    html.lines(&request_text(told, request), BEHIND_CHARS_MAX);
    html.raw("</pre></div>\n<div><h4>What it said</h4>");
    put_reply(html, told, reply, BEHIND_CHARS_MAX);
    html.raw("</div></div>\n");
}

fn request_text<'a>(told: &Told<'_>, request: &'a Request) -> Cow<'a, str> {
    match &request.body {
        Body::Empty => "".into(),
        Body::Bytes(bytes) => text(told, bytes).into(),
        Body::Repeat { .. } => count_of_bytes(request).into(),
    }
}

fn count_of_bytes(request: &Request) -> String {
    count(usize::try_from(request.body.len()).unwrap_or(usize::MAX), "byte")
}

/// Without the key, and only then cut by whoever shows it: a key across the limit would leave its first half.
fn text(told: &Told<'_>, bytes: &[u8]) -> String {
    String::from_utf8_lossy(&told.key.scrub_bytes(bytes)).into_owned()
}
