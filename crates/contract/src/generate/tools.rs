//! Client tools worth calling: a name, a schema, and an input that fits it.

pub(super) struct Template {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// Closed, every member required: it may be strict as well.
    pub(super) schema: &'static str,
    /// Valid against `schema`.
    pub(super) input: &'static str,
}

pub(super) const TEMPLATES: &[Template] = &[
    Template {
        name: "get_weather",
        description: "Current weather at a place, in metric units.",
        schema: r#"{"type":"object","properties":{"location":{"type":"string","description":"City and country."},"unit":{"type":"string","enum":["celsius","fahrenheit"]}},"required":["location","unit"],"additionalProperties":false}"#,
        input: r#"{"location":"Lisbon, Portugal","unit":"celsius"}"#,
    },
    Template {
        name: "query_invoices",
        description: "Runs a read-only query over the invoices and returns rows as CSV, newest first. Amounts are in euros with two decimals; dates are ISO 8601. At most 200 rows come back.",
        schema: r#"{"type":"object","properties":{"where":{"type":"string"},"limit":{"type":"integer"}},"required":["where","limit"],"additionalProperties":false}"#,
        input: r#"{"where":"due < '2026-11-22' and paid_at is null","limit":50}"#,
    },
    Template {
        name: "search_code",
        description: "Finds a regular expression in the repository.",
        schema: r#"{"type":"object","properties":{"pattern":{"type":"string"},"paths":{"type":"array","items":{"type":"string"}}},"required":["pattern","paths"],"additionalProperties":false}"#,
        input: r#"{"pattern":"unwrap\\(\\)","paths":["src","tests"]}"#,
    },
    Template {
        name: "send-message",
        description: "Sends a message to a colleague.",
        schema: r#"{"type":"object","properties":{"to":{"type":"string"},"text":{"type":"string"},"urgent":{"type":"boolean"}},"required":["to","text","urgent"],"additionalProperties":false}"#,
        input: r#"{"to":"ana@example.com","text":"Der Bericht ist fertig ✅","urgent":false}"#,
    },
    Template {
        name: "now",
        description: "The current date and time.",
        schema: r#"{"type":"object","properties":{},"required":[],"additionalProperties":false}"#,
        input: "{}",
    },
    Template {
        name: "plot_series",
        description: "Draws a line chart of a series of numbers and returns it as an image. Points are evenly spaced; missing values are not allowed, fill them first.",
        schema: r#"{"type":"object","properties":{"title":{"type":"string"},"points":{"type":"array","items":{"type":"number"}},"axis":{"type":"object","properties":{"unit":{"type":"string"},"log":{"type":"boolean"}},"required":["unit","log"],"additionalProperties":false}},"required":["title","points","axis"],"additionalProperties":false}"#,
        input: r#"{"title":"Churn","points":[1.9,2.0,1.85],"axis":{"unit":"%","log":false}}"#,
    },
];

/// Schemas for structured output.
pub(super) const FORMATS: &[&str] = &[
    r#"{"type":"object","properties":{"answer":{"type":"string"}},"required":["answer"],"additionalProperties":false}"#,
    r#"{"type":"object","properties":{"total":{"type":"number"},"overdue":{"type":"array","items":{"type":"string"}}},"required":["total","overdue"],"additionalProperties":false}"#,
];
