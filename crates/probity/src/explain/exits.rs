//! What the exit codes say.

use crate::exit::Exit;

/// Every way to end, by code.
pub(super) const EXITS: [Exit; 8] = [
    Exit::Clean,
    Exit::Findings,
    Exit::Usage,
    Exit::NotChecked,
    Exit::Pending,
    Exit::Exhausted,
    Exit::Internal,
    Exit::Interrupted,
];

/// What it means (the first sentence stands alone in lists), and what to do.
pub(super) fn meaning(exit: Exit) -> (&'static str, &'static str) {
    match exit {
        Exit::Clean => (
            "Everything that was planned ran and agrees. A shard without cases is clean, too, and says so.",
            "Nothing.",
        ),
        Exit::Findings => (
            "Something does not agree with the contract. A case drifted, a client failed a scenario, or our own \
                evidence is at odds with itself.",
            "Read the findings: each names a case that `probity replay CASE` sends again.",
        ),
        Exit::Usage => (
            "The command line, the configuration or a spec file is wrong. A filter that names nothing is one of them.",
            "Mend what the last line names; nothing was sent.",
        ),
        Exit::NotChecked => (
            "Nothing was checked, or the target could not be reached. This is never green.",
            "Look whether the target runs and answers at the URL; check address, key and scheme.",
        ),
        Exit::Pending => (
            "The ledgers differ from the snapshots on file. All cases agree with the contract; their list has changed.",
            "Review the change with `cargo insta review`, or take it with `--accept`.",
        ),
        Exit::Exhausted => (
            "The budget ran out before the plan was done. What ran agrees.",
            "Raise `--max-time` or `--max-cases`, or split the run with `--shard`.",
        ),
        Exit::Internal => (
            "A mistake in probity itself.",
            "Please report it with the command line; `RUST_BACKTRACE=1` adds a backtrace.",
        ),
        Exit::Interrupted => ("The run was interrupted.", "Run it again."),
    }
}
