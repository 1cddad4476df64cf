//! Whoever is put on trial.

use chaos::scenario::PromptShape;
use chaos::{Call, Outcome, Told};

/// A client on trial. Any function from a call to what came of it is one.
pub trait Subject {
    /// Does all that the call asks. Dropped when the trial is over, whatever it was at.
    fn run(&self, call: Call) -> impl Future<Output = Result<Told, Unseen>>;

    /// Starts anew between two runs of many clients, so that a fixed seed shows.
    fn restart(&self) -> impl Future<Output = ()> {
        async {}
    }

    /// Where the key turned up beside what was told, in runs that ended and in those that were dropped.
    fn leaks(&self) -> Vec<String> {
        vec![]
    }
}

impl<F, Fut> Subject for F
where
    F: Fn(Call) -> Fut,
    Fut: Future<Output: Answer>,
{
    async fn run(&self, call: Call) -> Result<Told, Unseen> {
        utf8_only(&call)?;
        self(call).await.told()
    }
}

/// What a subject in this process cannot be asked.
pub fn utf8_only(call: &Call) -> Result<(), Unseen> {
    match call.asks.prompt {
        PromptShape::Plain => Ok(()),
        PromptShape::LoneSurrogate => {
            let reason = "text in this process is UTF-8, which holds no half of a surrogate pair";
            Err(Unseen::Skipped(reason.to_owned()))
        }
    }
}

/// What a function may give that is a subject.
pub trait Answer {
    fn told(self) -> Result<Told, Unseen>;
}

impl Answer for Outcome {
    fn told(self) -> Result<Told, Unseen> {
        Ok(self.into())
    }
}

impl Answer for Told {
    fn told(self) -> Result<Told, Unseen> {
        Ok(self)
    }
}

impl<T: Into<Told>> Answer for Result<T, Unseen> {
    fn told(self) -> Result<Told, Unseen> {
        self.map(Into::into)
    }
}

/// Why nothing can be said about the subject.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unseen {
    /// It cannot do what the scenario asks.
    #[error("{0}")]
    Skipped(String),
    /// Something else than the subject went wrong.
    #[error("{0}")]
    Trouble(String),
}
