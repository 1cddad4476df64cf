//! A badge: the strongest level that the target keeps, for the top of its README.
//!
//! As a picture that needs nothing, or as the JSON from which badge services draw one. A run of a part of the cases
//! says so: a badge is read by people who see nothing else.

use contract::level::Level;
use serde_json::json;

use super::told::Told;

const LABEL: &str = "probity";
/// The width of a letter in the font of such badges, on average; `textLength` makes it exact.
const LETTER_TENTHS_PX: usize = 62;
const PADDING_PX: usize = 6;

/// The picture.
pub fn svg(told: &Told<'_>) -> String {
    let message = message(told);
    let (_, color) = color(told);
    let width = |text: &str| text.chars().count() * LETTER_TENTHS_PX / 10;
    let (left, right) = (width(LABEL) + 2 * PADDING_PX, width(&message) + 2 * PADDING_PX);
    let text = |start: usize, words: &str| {
        format!(
            "<text x=\"{}\" y=\"14\" textLength=\"{}\">{words}</text>",
            start + PADDING_PX,
            width(words)
        )
    };
    format!(
        concat!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{all}\" height=\"20\" role=\"img\" aria-label=\"{label}: {message}\">\n",
            "<title>{label}: {message}</title>\n",
            "<clipPath id=\"r\"><rect width=\"{all}\" height=\"20\" rx=\"3\"/></clipPath>\n",
            "<g clip-path=\"url(#r)\"><rect width=\"{left}\" height=\"20\" fill=\"#555\"/>",
            "<rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{color}\"/></g>\n",
            "<g fill=\"#fff\" font-family=\"Verdana,Geneva,DejaVu Sans,sans-serif\" font-size=\"11\">{one}{two}</g>\n",
            "</svg>\n"
        ),
        all = left + right,
        label = LABEL,
        message = message,
        left = left,
        right = right,
        color = color,
        one = text(0, LABEL),
        two = text(left, &message),
    )
}

/// What badge services read.
pub fn json(told: &Told<'_>) -> String {
    let (name, _) = color(told);
    let badge =
        json!({"schemaVersion": 1, "label": LABEL, "message": message(told), "color": name});
    format!("{badge}\n")
}

fn message(told: &Told<'_>) -> String {
    let level = told.kept().map_or("no level", Level::name);
    if told.is_whole() { level.to_owned() } else { format!("{level} (in part)") }
}

/// The colour's name, and a shade of it on which white letters can be read.
fn color(told: &Told<'_>) -> (&'static str, &'static str) {
    match told.kept() {
        Some(Level::Strict) => ("brightgreen", "#1f7a33"),
        Some(Level::Compatible) => ("green", "#43740b"),
        Some(Level::AgentReady) => ("blue", "#0969a6"),
        None => ("red", "#b3212f"),
    }
}
