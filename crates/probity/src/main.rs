//! The binary: reads the command line, calls the verb, maps the end to an exit code.

use std::process::ExitCode;

use clap::Parser;
use probity::cli::{Cli, Verb};
use probity::console::complain;
use probity::exit::{self, Exit, Stop, without_keys};

fn main() -> ExitCode {
    exit::catch_panics();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    let ended = match &cli.verb {
        Verb::Chaos(args) => probity::chaos::chaos(args),
        Verb::Check(args) => probity::check::check(args),
        Verb::Contract(args) => probity::contract::contract(args),
        Verb::Explain(args) => probity::explain::explain(args),
        Verb::Merge(args) => probity::merge::merge(args),
        Verb::Record(args) => probity::record::record(args),
        Verb::Replay(args) => probity::replay::replay(args),
        Verb::Serve(args) => probity::serve::serve(args),
        Verb::Shrink(args) => probity::shrink::shrink(args),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(stop) => {
            complain(&without_keys(&last_words(&stop)));
            stop.exit.into()
        }
    }
}

/// Help, the version, or what is wrong with the command line, which may hold a key where none belongs.
fn refused(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if !error.use_stderr() || text == without_keys(&text) {
        error.exit();
    }
    complain(&without_keys(&text));
    ExitCode::from(Exit::Usage)
}

/// The last line says why, whatever else there is to show.
fn last_words(stop: &Stop) -> String {
    let text = stop.to_string();
    let code = stop.exit.code();
    match text.split_once('\n') {
        Some((first, _)) => format!("{text}\nexit {code}: {}\n", first.trim_end_matches(':')),
        None => format!("exit {code}: {text}\n"),
    }
}
