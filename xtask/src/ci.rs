//! What the gate checks, in order: the quick ones first, and nothing after the first that fails.

use std::time::Instant;

use anyhow::Result;
use xshell::{Cmd, Shell, cmd};

use crate::{EXIT_USAGE, at_hand, status, test, tool};

const STEPS: [&str; 5] = ["fmt", "clippy", "test", "contract", "deny"];

/// Runs the steps named in `only`, or all of them; the exit code of the first that fails.
pub(crate) fn run(sh: &Shell, only: &[String]) -> Result<u8> {
    if let Some(unknown) = only.iter().find(|step| !STEPS.contains(&step.as_str())) {
        eprintln!("ci: no step is called `{unknown}`; there are {}", STEPS.join(", "));
        return Ok(EXIT_USAGE);
    }
    let named = |step: &str| only.is_empty() || only.iter().any(|one| one == step);
    for step in STEPS.into_iter().filter(|step| named(step)) {
        println!("── {step}");
        let Some(command) = command(sh, step) else {
            println!("SKIPPED: cargo-deny is not installed");
            continue;
        };
        let start = Instant::now();
        let code = status(command)?;
        println!("── {step}: {:.1} s", start.elapsed().as_secs_f32());
        if code != 0 {
            eprintln!("ci: {step} failed with exit code {code}");
            return Ok(code);
        }
    }
    Ok(0)
}

/// The command of the step; none where its tool is optional and not there.
fn command<'sh>(sh: &'sh Shell, step: &str) -> Option<Cmd<'sh>> {
    Some(match step {
        "fmt" => cmd!(sh, "cargo fmt --all --check"),
        "clippy" => cmd!(sh, "cargo clippy --workspace --all-targets -- -D warnings"),
        "test" => test(sh),
        "contract" => tool(sh, "contract", &[]),
        _ if at_hand(cmd!(sh, "cargo deny --version")) => {
            cmd!(sh, "cargo deny check bans licenses sources")
        }
        _ => return None,
    })
}
