//! The binary: reads the command line, calls the verb, maps the end to an exit code.

use std::process::ExitCode;

use clap::Parser;
use probity::cli::{Cli, Verb};
use probity::console::complain;
use probity::exit::{self, Stop};

fn main() -> ExitCode {
    exit::catch_panics();
    let cli = Cli::parse();
    let ended = match &cli.verb {
        Verb::Chaos(args) => probity::chaos::chaos(args),
        Verb::Contract(args) => probity::contract::contract(args),
        Verb::Explain(args) => probity::explain::explain(args),
        Verb::Replay(args) => probity::replay::replay(args),
        Verb::Serve(args) => probity::serve::serve(args),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(stop) => {
            complain(&last_words(&stop));
            stop.exit.into()
        }
    }
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
