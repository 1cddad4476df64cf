//! What the contract permits in answer to a case.
//!
//! Made of the case's origin and of the traits noted while drawing; the body is never looked at, because the mock
//! does that, and two judges that look at the same thing agree for the wrong reason.

use std::borrow::Cow;

use classify::Class;

use crate::case::{Case, Origin, Permitted, StatedAnswer, Traits};

/// The answers a case may get.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expectation {
    pub classes: Cow<'static, [Class]>,
    /// Set where the contract states it, and checked beside the class.
    pub status: Option<u16>,
    pub error_type: Option<Cow<'static, str>>,
    pub error_code: Option<Cow<'static, str>>,
    /// The open question, if the facts do not settle the answer.
    pub question: Option<&'static str>,
}

const ACCEPTED: &[Class] = &[Class::Accepted];
const STREAMED: &[Class] = &[Class::Streamed];
const SERVED: &[Class] = &[Class::Accepted, Class::Streamed];

/// The answers the contract permits.
pub fn expect(case: &Case) -> Expectation {
    match &case.origin {
        Origin::Valid => served(&case.traits),
        Origin::Mutated(mutation) => match mutation.answers {
            Permitted::Served => served(&case.traits),
            Permitted::Exactly { status, error_type, error_code } => Expectation {
                classes: Cow::Borrowed(classes(status)),
                status: Some(status),
                error_type: Some(error_type.into()),
                error_code: error_code.map(Cow::Borrowed),
                question: None,
            },
            Permitted::Uncertain { classes, question } => {
                Expectation { question: Some(question), ..any_of(Cow::Borrowed(classes)) }
            }
        },
        Origin::Witness { answers, .. } => stated(answers),
        // Wrong on purpose: the request is valid.
        Origin::Canary => any_of(Cow::Borrowed(classes(400))),
    }
}

fn served(traits: &Traits) -> Expectation {
    any_of(Cow::Borrowed(if traits.stream { STREAMED } else { ACCEPTED }))
}

fn stated(answers: &[StatedAnswer]) -> Expectation {
    match answers {
        [answer] => Expectation {
            status: Some(answer.status),
            error_type: answer.error_type.clone().map(Cow::Owned),
            error_code: answer.error_code.clone().map(Cow::Owned),
            ..any_of(Cow::Borrowed(classes(answer.status)))
        },
        several => {
            any_of(several.iter().flat_map(|answer| classes(answer.status)).copied().collect())
        }
    }
}

fn any_of(classes: Cow<'static, [Class]>) -> Expectation {
    Expectation { classes, status: None, error_type: None, error_code: None, question: None }
}

/// The classes a status may have when the API means nothing else by it.
pub(crate) fn classes(status: u16) -> &'static [Class] {
    match status {
        200..=299 => SERVED,
        400 => &[Class::InvalidRequest],
        401 => &[Class::Unauthorized],
        402 => &[Class::BillingRequired],
        403 => &[Class::PermissionDenied],
        404 => &[Class::NotFound],
        405 => &[Class::MethodNotAllowed],
        409 => &[Class::Conflict],
        413 => &[Class::TooLarge],
        429 => &[Class::RateLimited],
        503 => &[Class::Unavailable],
        504 => &[Class::TimedOut],
        529 => &[Class::Overloaded],
        500..=599 => &[Class::ServerError],
        _ => &[Class::Undocumented],
    }
}
