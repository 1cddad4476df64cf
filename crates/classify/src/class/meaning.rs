//! What each class means to whoever meets it, and what to do.

use super::Class;
use crate::observation::CutKind;

/// A class explained.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Meaning {
    /// What came back; the first sentence stands alone in lists.
    pub what: &'static str,
    /// What the caller should do.
    pub remedy: &'static str,
}

impl Class {
    /// What it means.
    pub fn meaning(self) -> Meaning {
        match self {
            Self::Accepted => Meaning {
                what: "A success with a whole body. The status is 2xx, and the body is the JSON or JSONL of an answer.",
                remedy: "Nothing; look at `stop_reason` all the same, since a refusal or a cut answer is a success, too.",
            },
            Self::Streamed => Meaning {
                what: "A stream that ran to its end. The last event was `message_stop`, and none broke the grammar.",
                remedy: "Nothing; look at `stop_reason` in `message_delta`.",
            },
            Self::InvalidRequest => Meaning {
                what: "The request is wrong. A 400 whose text says nothing else: no credit, limit or filter is in it.",
                remedy: "Change what the message names; the same request will be refused again.",
            },
            Self::Unauthorized => Meaning {
                what: "The credential is missing or not valid.",
                remedy: "Check the key; refresh an expired OAuth token once.",
            },
            Self::BillingRequired => Meaning {
                what: "Money is missing. A 402, or a 400 whose text says that the credit balance is too low.",
                remedy: "Add credit or mend the payment details; waiting does not help.",
            },
            Self::PermissionDenied => Meaning {
                what: "The API looked, and the credential may not.",
                remedy: "Use a credential of the right workspace, or have the permission granted.",
            },
            Self::EdgeForbidden => Meaning {
                what: "The edge refused before the API looked. A 403 without the API's envelope: region, firewall or address.",
                remedy: "Change where the request comes from, not what is in it.",
            },
            Self::NotFound => Meaning {
                what: "What the request names does not exist. Or this credential may not see it.",
                remedy: "Check the path, then the model, then the id and its workspace.",
            },
            Self::MethodNotAllowed => Meaning {
                what: "The path is known, the method is not.",
                remedy: "Use the method of the operation; a redirect may have turned a POST into a GET.",
            },
            Self::Conflict => Meaning {
                what: "Another request was changing the same thing.",
                remedy: "Try again with growing pauses, unless the code says that it does not pass.",
            },
            Self::TooLarge => Meaning {
                what: "The body is over a size limit. The API's, the edge's, or that of a proxy on the way.",
                remedy: "Send less: refer to files by id, shrink images, split the batch.",
            },
            Self::ContentFiltered => Meaning {
                what: "The output was stopped by a filter. The request was right; the status is 400 all the same.",
                remedy: "Change the prompt; a loop over the same one is not the cure.",
            },
            Self::RateLimited => Meaning {
                what: "Too much in too short a time. A 429 that waiting cures.",
                remedy: "Wait for `retry-after`, or with growing pauses; then go on at a lower rate.",
            },
            Self::SpendLimited => Meaning {
                what: "A spend limit is reached. A 429 or a 400 that seconds do not cure: the text or the code tells it from a rate limit.",
                remedy: "Stop until the day that the message names, or raise the limit.",
            },
            Self::RateLimitDisguised => Meaning {
                what: "A 400 whose text says rate limit. Some gateway has turned every client error into a 400.",
                remedy: "Treat it as a 429, and have the gateway hand on the status.",
            },
            Self::ServerError => Meaning {
                what: "Something failed inside the API. A 5xx with the API's envelope.",
                remedy: "Try again a few times with growing pauses; keep the request id.",
            },
            Self::Unavailable => Meaning {
                what: "The API is not available just now. A 503 with the API's envelope.",
                remedy: "Try again with growing pauses.",
            },
            Self::TimedOut => Meaning {
                what: "The API gave up on a long answer. A 504 or 408 with the API's envelope.",
                remedy: "Stream long answers, or send a batch.",
            },
            Self::Overloaded => Meaning {
                what: "The API has too much to do, for everybody. A 529.",
                remedy: "Try again with growing pauses and jitter.",
            },
            Self::Intermediary => Meaning {
                what: "Somebody on the way answered with an error. HTML, plain text or nothing: the API has not written it.",
                remedy: "A 5xx may pass: try again. Otherwise ask who runs the proxy; the body often names its software.",
            },
            Self::Impostor => Meaning {
                what: "A success that is not the API's. A captive portal, a sign-in page, a proxy's page, or nothing under a 2xx.",
                remedy: "Check the base URL and what sits between; never take such a body for an answer.",
            },
            Self::StreamError => Meaning {
                what: "The stream carried an `error` event. The status was 200 by then, so the error is in the stream.",
                remedy: "Handle the event as the error it names; what was delivered before it is incomplete.",
            },
            Self::StreamCut => Meaning {
                what: "The stream ended without `message_stop`. However orderly the connection closed, the answer is incomplete.",
                remedy: "Treat what arrived as incomplete; do not run a tool on it.",
            },
            Self::StreamMalformed => Meaning {
                what: "The stream breaks the grammar of events. An index or a block that was never opened, data that is no JSON.",
                remedy: "Report it to whoever sends the stream; gateways that rewrite events are the usual cause.",
            },
            Self::Undocumented => Meaning {
                what: "The API's words under a foreign status. The envelope is right, and the API does not document the status, or documents it for something else.",
                remedy: "Look for a gateway that changes statuses.",
            },
            Self::Malformed => Meaning {
                what: "JSON, and not the shape of any answer. It breaks off, or belongs to another API.",
                remedy: "Check the base URL; then report it to whoever sends it.",
            },
            Self::Unreachable(kind) => unreachable(kind),
            Self::Unsendable => Meaning {
                what: "The request cannot be written as HTTP. A line break in a header value, for example.",
                remedy: "Mend the value; nothing was sent.",
            },
        }
    }
}

fn unreachable(kind: CutKind) -> Meaning {
    match kind {
        CutKind::BadFraming => Meaning {
            what: "What arrived is not HTTP. Or it contradicts its own length.",
            remedy: "Check scheme and port: TLS spoken to a plain port looks like this.",
        },
        CutKind::Closed => Meaning {
            what: "The other side closed before the end.",
            remedy: "Try again; if it stays, look at the limits of proxies on the way. The request may have been worked on.",
        },
        CutKind::Refused => Meaning {
            what: "Nobody listens there. Or the name does not resolve.",
            remedy: "Check host, port and name service.",
        },
        CutKind::Reset => Meaning {
            what: "The other side reset the connection.",
            remedy: "Try again; a reset after a pause is often a proxy that dropped an idle connection. The request may have been worked on.",
        },
        CutKind::TimedOut => Meaning {
            what: "No whole answer within the sender's limit.",
            remedy: "Raise the limit, or stream: a long answer without a stream sends nothing until its end.",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_explained_in_sentences_of_its_own() {
        for class in Class::ALL {
            let Meaning { what, remedy } = class.meaning();
            assert!(what.ends_with('.') && remedy.ends_with('.'), "{class}");
            let twins = Class::ALL.iter().filter(|other| other.meaning().what == what).count();
            assert_eq!(twins, 1, "{class}");
        }
    }
}
