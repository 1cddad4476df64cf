//! A scenario as the text of a file.

use toml::{Table, Value};

use super::Scenario;

/// The order in which files of the catalogue say things.
const ORDER: [&str; 12] = [
    "id",
    "why",
    "severity",
    "evidence",
    "surfaces",
    "replies",
    "stream-replies",
    "retries",
    "timeout-ms",
    "deadline-ms",
    "attempts",
    "when",
];

impl Scenario {
    /// The text of a file that reads back as this scenario.
    pub fn to_toml(&self) -> String {
        let table = Table::try_from(self).expect("a scenario is made of what TOML can say");
        let (mut sections, lines): (Vec<_>, Vec<_>) =
            table.into_iter().partition(|(_, value)| is_section(value));
        sections.sort_by_key(|(name, _)| name == "expect");
        let mut text = pairs(lines);
        for (name, value) in sections {
            match value {
                Value::Array(tables) => {
                    for table in tables {
                        text += &format!("\n[[{name}]]\n{}", pairs(entries(table)));
                    }
                }
                table => text += &format!("\n[{name}]\n{}", pairs(entries(table))),
            }
        }
        text
    }
}

fn is_section(value: &Value) -> bool {
    let is_list = value.as_array().and_then(|list| list.first()).is_some_and(Value::is_table);
    value.is_table() || is_list
}

fn entries(value: Value) -> Vec<(String, Value)> {
    match value {
        Value::Table(table) => table.into_iter().collect(),
        _ => vec![],
    }
}

/// A line for each; what is a table in itself stands on one line, too.
fn pairs(mut pairs: Vec<(String, Value)>) -> String {
    let place = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
    pairs.sort_by_key(|(name, _)| place(name));
    pairs.iter().map(|(name, value)| format!("{name} = {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Asks, Connect, Fault, Idle, KeyShape, Parting};

    const WHOLE: &str = r#"id = "all-of-it"
why = "Two and two."
severity = "S1"
evidence = ["RFC 9110"]
surfaces = ["create", "raw"]
replies = ["first", "then"]
retries = 1
timeout-ms = 500
deadline-ms = 4000
slow = true

[ask]
calls = 3
clients = 40
key = "trailing-newline"
pause-ms = 10
prompt-bytes = [8000000]

[connect]
door = "silent"
host = "localhost"

[[fault]]
attempts = "every"
when = { request-bytes = 0 }
at = { event-byte = { byte = 3, event = 2 } }
fault = { flood = { text = "a", times = 3 } }

[[fault]]
attempts = "1-2"
at = "headers-start"
fault = { gzip = "plain" }

[expect]
attempts = "0-"
outcome = ["success", "timeout"]
wait = [{ at-least-ms = 1000, retry = 1 }]
"#;

    #[test]
    fn what_is_written_reads_back() {
        let mut scenario: Scenario = toml::from_str(WHOLE).unwrap();
        assert_eq!(scenario.to_toml(), WHOLE);
        scenario.ask = Asks { key: KeyShape::LeadingSpace, ..Asks::default() };
        scenario.connect = Connect {
            idle: Some(Idle { after_ms: 1, then: Parting::Reset }),
            ..Connect::default()
        };
        scenario.faults.truncate(1);
        scenario.faults[0].fault = Fault::Insert { text: "a\r\n\"b\n\\".to_owned() };
        scenario.why = "Quotes \" and\nends of lines \u{0} survive.".to_owned();
        assert_eq!(Scenario::parse(&scenario.to_toml()).unwrap(), scenario);
    }
}
