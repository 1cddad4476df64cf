//! Every reply in `specs/replies` parses, and classifies as the class that was typed into it by hand.

use std::path::Path;

use classify::{Class, Observation, Reply, Script, classify};

/// Enough for every file to be looked at by a person; far fewer means that the folder was not found.
const REPLIES_MIN: usize = 70;

#[test]
fn every_reply_gets_the_class_typed_into_it() {
    let scripts = scripts();
    assert!(REPLIES_MIN <= scripts.len(), "{} replies", scripts.len());
    let wrong: Vec<String> = scripts
        .iter()
        .filter_map(|script| {
            let class = classify(&script.observation());
            (class != script.class)
                .then(|| format!("{}: {class}, typed {}", script.name, script.class))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Wherever a body is cut it gets a class without a panic, and no stream is whole without its last event.
#[test]
fn every_prefix_of_every_reply_gets_a_class() {
    for script in scripts() {
        let (status, headers) = (script.status, script.sent_headers());
        for len in 0..script.body.len() {
            let body = script.body.slice(..len);
            let stopped = body.windows(STOP.len()).any(|window| window == STOP);
            let class =
                classify(&Observation::Reply(Reply { status, headers: headers.clone(), body }));
            assert!(class != Class::Streamed || stopped, "{} at {len}: {class}", script.name);
        }
    }
}

/// A class that no reply shows is a class that nobody has thought through. Four need no reply, or cannot have one.
#[test]
fn every_class_has_a_reply() {
    let scripts = scripts();
    let missing: Vec<&str> = Class::ALL
        .into_iter()
        .filter(|class| scripts.iter().all(|script| script.class != *class))
        .map(Class::name)
        .collect();
    assert_eq!(
        missing,
        ["unreachable-bad-framing", "unreachable-refused", "unreachable-timed-out", "unsendable"]
    );
}

const STOP: &[u8] = b"message_stop";

#[test]
fn names_are_words_and_whys_are_sentences() {
    for script in scripts() {
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(script.name.chars().all(is_word), "{}", script.name);
        assert!(script.why.ends_with(['.', '?']), "{}: {}", script.name, script.why);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the crate is pure, its test reads the files it is about"
)]
fn scripts() -> Vec<Script> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs/replies");
    let mut scripts: Vec<Script> = std::fs::read_dir(&folder)
        .expect("specs/replies is a folder")
        .map(|entry| entry.expect("specs/replies can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "http"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a reply is UTF-8");
            let name = path.file_stem().expect("a reply has a name").to_string_lossy().into_owned();
            Script::parse(&name, &text).unwrap_or_else(|error| panic!("{error}"))
        })
        .collect();
    scripts.sort_by(|a, b| a.name.cmp(&b.name));
    scripts
}
