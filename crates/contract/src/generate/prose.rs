//! What people and models say: the texts that fill a conversation.

/// Words and short phrases, for titles, names of places and other short strings.
pub(super) const WORDS: &[&str] = &[
    "a",
    "Lisbon",
    "quarterly report",
    "invoice 2026-1187",
    "main.rs",
    "Zürich",
    "東京",
    "night shift",
    "v2.4.1",
    "naïve résumé",
    "left-pad",
    "warehouse B",
];

/// What a user asks.
pub(super) const QUESTIONS: &[&str] = &[
    "Hi",
    "What is the weather in Lisbon tomorrow, and should I take an umbrella?",
    "Please review this function and tell me whether the error handling is complete:\n\n```rust\nfn load(path: &str) -> String {\n    std::fs::read_to_string(path).unwrap()\n}\n```",
    "Summarise the attached report in three bullet points for a board that has five minutes. Keep the numbers, leave out the adjectives, and say plainly which of the risks grew since last quarter.",
    "Translate \"the early bird catches the worm\" into Portuguese, German and 日本語, and say where the image differs.",
    "Our nightly job failed with exit code 137. The log ends after \"loading shard 14 of 32\". What are the likely causes, in the order in which you would rule them out?",
    "Which of the invoices in the list are overdue, and by how many days? Today is 22 November 2026.",
    "Rewrite this paragraph so that a twelve-year-old understands it 🙂",
    "The customer says the parcel never arrived, the carrier says it was signed for. Draft a short, friendly answer that asks for the name on the signature and promises nothing yet.",
    "Compare the two contracts clause by clause.",
];

/// What a model answers.
pub(super) const ANSWERS: &[&str] = &[
    "Yes.",
    "Tomorrow will be mild with showers in the afternoon, around 17 °C. An umbrella is worth its weight.",
    "The function panics on any read error, so a missing file takes the whole process down. Return a `Result` and let the caller decide; if the file is optional, match on `ErrorKind::NotFound` alone.",
    "Three points:\n- Revenue rose 4% to 12.1 million, all of it from existing customers.\n- Churn is flat at 1.9% a month.\n- The supplier risk grew: one factory now makes 60% of the parts.",
    "Exit code 137 means the process was killed by signal 9. On a machine without swap that is most often the out-of-memory killer, so look at the kernel log first. If it is silent, look at the orchestrator: a failed liveness probe ends the same way.",
    "Two invoices are overdue: 2026-1102 by 21 days and 2026-1140 by 4 days. The others fall due in December.",
    "I compared the clauses. They differ in the notice period (30 days against 90), in who bears the cost of returns, and in the place of jurisdiction; the rest is the same in other words.",
    "Let me look that up.",
];

/// What a model thinks.
pub(super) const THOUGHTS: &[&str] = &[
    "The user wants a short answer.",
    "The question has two parts: the forecast and the advice. The forecast needs the tool; the advice follows from it. I should call the tool once and not guess.",
    "137 = 128 + 9, so SIGKILL. Out of memory is the usual cause, but the orchestrator also kills that way. I will name both, in order of likelihood.",
];

/// What a tool returns.
pub(super) const RESULTS: &[&str] = &[
    "ok",
    "{\"temperature_c\": 17.2, \"condition\": \"showers\", \"wind_kmh\": 14}",
    "3 rows\nid,total,due\n1102,480.00,2026-11-01\n1140,1250.50,2026-11-18\n1187,99.90,2026-12-20",
    "error: connection to the database timed out after 5 s",
    "diff --git a/src/lib.rs b/src/lib.rs\n-    .unwrap()\n+    ?",
];

/// What the system prompt says.
pub(super) const SYSTEMS: &[&str] = &[
    "Be brief.",
    "You are a careful assistant of an accounting team. Use the tools for every figure, never estimate, and answer in the language of the question.",
    "You review Rust code. Name the line, the problem and the remedy; praise nothing, and stop when there is nothing more to say. When in doubt whether something is a bug, say what input would show it.",
];

/// Addresses that resolve nowhere: only our own mock takes them.
pub(super) const URLS: &[&str] = &[
    "https://example.com/a.png",
    "https://files.example.org/report-2026-q3.pdf",
    "https://example.net/p?q=1&r=%C3%BC",
];

/// The smallest images that decode, by media type.
pub(super) const IMAGES: &[(&str, &str)] = &[
    (
        "image/png",
        "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAEElEQVR4nGM8wQABTAwUMQA6AADYhMgK6QAAAABJRU5ErkJggg==",
    ),
    ("image/gif", "R0lGODdhCAAIAIEAAMjIyAAAAAAAAAAAACwAAAAACAAIAAAIDwABCBxIsKDBgwgTKkwYEAA7"),
    (
        "image/jpeg",
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAv/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AT//Z",
    ),
    ("image/webp", "UklGRh4AAABXRUJQVlA4TBEAAAAvB8ABAAdQ5CIXuf+BiOh/AAA="),
];

/// A PDF of one empty page, base64.
pub(super) const PDF: &str = "JVBERi0xLjQKMSAwIG9iajw8L1R5cGUvQ2F0YWxvZy9QYWdlcyAyIDAgUj4+ZW5kb2JqCjIgMCBvYmo8PC9UeXBlL1BhZ2VzL0tpZHNbMyAwIFJdL0NvdW50IDE+PmVuZG9iagozIDAgb2JqPDwvVHlwZS9QYWdlL1BhcmVudCAyIDAgUi9NZWRpYUJveFswIDAgNzIgNzJdPj5lbmRvYmoKeHJlZgowIDQKMDAwMDAwMDAwMCA2NTUzNSBmIAowMDAwMDAwMDA5IDAwMDAwIG4gCjAwMDAwMDAwNTIgMDAwMDAgbiAKMDAwMDAwMDEwMSAwMDAwMCBuIAp0cmFpbGVyPDwvU2l6ZSA0L1Jvb3QgMSAwIFI+PgpzdGFydHhyZWYKMTY2CiUlRU9GCg==";
