//! The arguments of the verbs that are not simply passed on.

use std::path::PathBuf;

xflags::xflags! {
    cmd xtask {
        /// What the gate checks, in order.
        cmd ci {
            /// Only these steps: fmt, clippy, test, contract, deny.
            repeated step: String
        }
        /// The fuzz targets.
        cmd fuzz {
            /// Names the targets.
            cmd list {}
            /// Fuzzes the targets, one after the other.
            cmd run {
                /// Only these targets.
                repeated target: String
                /// Time for all of them together.
                optional --seconds seconds: u64
                /// The same in minutes; the two add up.
                optional --minutes minutes: u64
            }
            /// What the last runs did.
            cmd report {}
            /// Minimises the inputs found so far.
            cmd min {
                required target: String
            }
            /// Runs one input again.
            cmd repro {
                required target: String
                required file: PathBuf
            }
            /// Runs every artefact again and groups them by where they panic.
            cmd triage {}
        }
    }
}

/// Apart from the others: they have a `list`, too, and each becomes a type of that name.
pub(crate) mod clients {
    xflags::xflags! {
        /// Released clients of the API.
        cmd clients {
            /// Names them, and says which are installed.
            cmd list {}
            /// Installs them from their registries into target/clients.
            cmd install {
                /// These clients; without a name the official SDKs, which the tests drive.
                repeated name: String
            }
        }
    }
}

/// Apart from the others, as the clients are.
pub(crate) mod targets {
    xflags::xflags! {
        /// Other people's servers, to be judged.
        cmd targets {
            /// Names them, and says which are installed.
            cmd list {}
            /// Installs them from their registries into target/targets.
            cmd install {
                /// These targets; without a name all of them.
                repeated name: String
            }
            /// Starts them, judges them, and ends them; what follows `--` goes to the tool.
            cmd run {
                /// These targets, one after the other.
                repeated name: String
            }
        }
    }
}
