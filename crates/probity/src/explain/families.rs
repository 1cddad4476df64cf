//! What the mutation families break, and every name under them: the words that ledgers and case ids show.
//!
//! The schema's demands have no rows as the rules have, so their explanations stand here. A test compares the names
//! with those the corpus comes up with.

/// A mutation family explained.
pub(super) struct Family {
    pub(super) id: &'static str,
    /// What the family breaks; the first sentence stands alone in lists.
    pub(super) text: &'static str,
    /// The usual answer, with the wording as a hint.
    pub(super) answer: &'static str,
    pub(super) remedy: &'static str,
    /// Demands of the schema that have a witness.
    pub(super) demands: &'static [&'static str],
    /// The mutations, each with what it does.
    pub(super) names: &'static [(&'static str, &'static str)],
}

const INVALID: &str = "400 invalid_request_error";

pub(super) const FAMILIES: &[Family] = &[
    Family {
        id: "schema",
        text: "The body must hold the schema of its operation. It is looked at before any semantic rule; the message \
            begins with the place, dotted as in `messages.0.content.1.text`. Inside an item of a batch the batch is \
            taken all the same, and the item becomes an errored result.",
        answer: INVALID,
        remedy: "Mend the place that the message names; the family that fits the wording says more: `required`, \
            `unknown`, `kind`, `null`, `empty`, `bounds`, `choice`, `union`.",
        demands: &[],
        names: &[],
    },
    Family {
        id: "required",
        text: "A member that must be there is left out. The message ends in `Field required`.",
        answer: "400 invalid_request_error, `PATH: Field required`",
        remedy: "Add the member. If it is there, look for a wrong name, a wrong level, or a `type` that selects \
            another branch of a union.",
        demands: &["field-missing"],
        names: &[("required", "a request without one required member")],
    },
    Family {
        id: "unknown",
        text: "A member that nobody knows is added to a closed object. Request objects are closed: a misspelt name is \
            an error and not ignored. Sampling parameters under 2026-10-21 are such members, too.",
        answer: "400 invalid_request_error, `PATH: Extra inputs are not permitted`",
        remedy: "Remove the member or mend its name; look whether it needs a beta header, a newer API version, or \
            belongs one level further up.",
        demands: &["field-unknown", "sampling-removed"],
        names: &[("unknown-member", "`probity_unknown` in one closed object")],
    },
    Family {
        id: "kind",
        text: "A value has a JSON type that its schema does not take. A number in quotes is a text, and one value is \
            no list of one.",
        answer: "400 invalid_request_error, `PATH: Input should be a valid list`",
        remedy: "Send the type that the message asks for.",
        demands: &["field-type-wrong"],
        names: &[("wrong-type", "a value of another JSON type")],
    },
    Family {
        id: "null",
        text: "Null stands where it is not taken. Many clients write an absent member as null; the API tells the two \
            apart, and takes null only where the schema says so.",
        answer: "400 invalid_request_error, `PATH: Input should be …`",
        remedy: "Leave the member out; with a serialiser, skip what is empty.",
        demands: &[],
        names: &[("null", "null in place of a value")],
    },
    Family {
        id: "empty",
        text: "A text, list or object that must hold something is empty.",
        answer: "400 invalid_request_error, `PATH: String should have at least 1 character`",
        remedy: "Leave the member out, or fill it.",
        demands: &["batch-empty"],
        names: &[("empty", "one empty text, list or object")],
    },
    Family {
        id: "bounds",
        text: "A value lies just beyond a bound of its schema. Each declared bound is stepped over by the least that \
            breaks it.",
        answer: "400 invalid_request_error, `PATH: Input should be less than or equal to N`",
        remedy: "Keep to the bound that the message states.",
        demands: &[],
        names: &[
            ("above-maximum", "a number just above its maximum"),
            ("below-minimum", "a number just below its minimum"),
            ("pattern", "a text that does not match its pattern"),
            ("too-few", "a list with one element too few"),
            ("too-long", "a text with one character too many"),
            ("too-many", "a list with one element too many"),
            ("too-short", "a text with one character too few"),
        ],
    },
    Family {
        id: "choice",
        text: "A value is none of those on the list. Lists grow with the API: what a newer SDK sends can be unknown \
            under an older version.",
        answer: "400 invalid_request_error, `PATH: Input should be 'a', 'b' or 'c'`",
        remedy: "Choose from the list in the message; mind upper and lower case.",
        demands: &["enum-unknown"],
        names: &[
            ("case-changed-choice", "a choice with its case changed"),
            ("unknown-choice", "a choice that is not on the list"),
            ("unknown-tag", "a `type` that could have come with a later version"),
        ],
    },
    Family {
        id: "union",
        text: "One branch of a union is taken for another. The tag, nearly always `type`, selects the branch, and the \
            members must be of that branch.",
        answer: "400 invalid_request_error, `Input tag 'X' found using 'type' does not match …`",
        remedy: "Make `type` and the other members fit each other.",
        demands: &["union-tag-unknown"],
        names: &[
            ("branch-confused", "the tag of one branch on the members of another"),
            ("untagged-confused", "a list around a value that is taken without one"),
        ],
    },
    Family {
        id: "duplicate",
        text: "The same member stands twice. JSON readers settle it differently: most keep the last, some refuse.",
        answer: "open: served, as far as the wording of JSON errors lets one conclude",
        remedy: "Write each member once; two hands have edited the body.",
        demands: &[],
        names: &[("duplicate-key", "a required member of the body, twice")],
    },
    Family {
        id: "text",
        text: "A text holds what texts should not hold. Bytes that are no UTF-8, half surrogate pairs, control \
            characters, a byte order mark; and values nested deeper than anybody writes them.",
        answer: "400 invalid_request_error, `The request body is not valid JSON: …`; some are open",
        remedy: "Write bodies with a JSON library, and cut texts between characters rather than between UTF-16 units.",
        demands: &[],
        names: &[
            ("byte-order-mark", "the mark before the body (open)"),
            ("deep-body", "10,000 lists inside each other as the body"),
            ("deep-nesting", "the input of a tool call, 100 levels deep (open)"),
            ("escaped-nul", "`\\u0000` in a text (open)"),
            ("invalid-utf8", "bytes in a text that are no UTF-8"),
            ("lone-surrogate", "half a surrogate pair, as an escape"),
            ("raw-control", "a control character that is not escaped"),
            ("very-long", "half a megabyte of text (valid)"),
        ],
    },
    Family {
        id: "syntax",
        text: "The body is not one JSON object, or looks unusual and is. What is cut off, forgotten or of another \
            language is refused; escapes and white space are not.",
        answer: "400 invalid_request_error, `The request body is not valid JSON: …`",
        remedy: "Write bodies with a JSON library; if the text is right, look at what a proxy made of it.",
        demands: &[],
        names: &[
            ("body-list", "the object inside a list"),
            ("body-null", "null as the body"),
            ("body-number", "a number as the body"),
            ("body-string", "the object as a text: encoded twice"),
            ("comment", "a comment before the first member"),
            ("escaped-key", "a key written in escapes (valid)"),
            ("form-body", "a form in place of JSON"),
            ("html-body", "a page in place of JSON"),
            ("indented", "line ends and indents (valid)"),
            ("missing-comma", "no comma between two members"),
            ("nan", "`NaN` as a value"),
            ("single-quotes", "a key in single quotes"),
            ("surrounding-whitespace", "white space before and after (valid)"),
            ("trailing-comma", "a comma after the last member"),
            ("truncated", "the body cut off at five places"),
            ("two-documents", "the body twice in a row"),
            ("unquoted-key", "a key without quotes"),
            ("whitespace-body", "white space alone"),
        ],
    },
    Family {
        id: "envelope",
        text: "Method, path, query or a header is wrong or unusual. The mistakes look right, and some of what looks \
            odd is right: white space around a header's value is removed by HTTP and no part of it.",
        answer: "401, 404, 405 or 400 by what is wrong; served where it is only unusual",
        remedy: "Compare with `curl -v` of a request that works; look for a base URL that already ends in `/v1`.",
        demands: &[],
        names: &[
            ("basic-credential", "`Basic` in place of `Bearer`"),
            ("bearer", "the key as a bearer token (valid)"),
            ("beta-joined", "two known betas, joined by a comma (valid)"),
            ("beta-known", "a known beta (valid)"),
            ("beta-repeated", "two known betas in two headers (valid)"),
            ("beta-spaces", "two known betas, comma and space (valid)"),
            ("blank-credential", "white space as the key"),
            ("blank-version", "`anthropic-version` without a value"),
            ("content-encoding-br", "a Brotli body"),
            ("content-encoding-deflate", "a deflate body"),
            ("content-encoding-gzip", "a gzip body (valid)"),
            ("content-encoding-gzip-corrupt", "a gzip body with a wrong checksum"),
            ("content-encoding-zstd", "a Zstandard body"),
            ("content-type-blank", "`content-type` without a value (open)"),
            ("content-type-charset-odd", "JSON in utf-7"),
            ("content-type-charset-utf8", "JSON in utf-8, said so (valid)"),
            ("content-type-octet-stream", "JSON called a stream of bytes (open)"),
            ("content-type-upper-case", "JSON in upper case (valid)"),
            ("credential-both", "the key in both headers (valid)"),
            ("credential-in-other-header", "the key in `api-key`"),
            ("credential-padded", "white space around the key (valid)"),
            ("credential-without-scheme", "`authorization` without `Bearer`"),
            ("method-of-other-path", "a method that another path has"),
            ("method-unknown", "PATCH or PUT"),
            ("path-case", "`/V1/` (open)"),
            ("path-double-slash", "`//v1/` (open)"),
            ("path-trailing-slash", "a slash at the end of the path (open)"),
            ("path-version-doubled", "`/v1/v1/`, from a base URL that ends in `/v1`"),
            ("path-version-left-out", "no `/v1`"),
            ("path-version-other", "`/v2/`"),
            ("query-beta", "`?beta=true`, as older SDKs send it (valid)"),
            ("query-unknown", "a parameter of no operation (open)"),
            ("unknown-beta", "a beta one character off"),
            ("version-in-other-header", "the version in `x-anthropic-version`"),
            ("version-padded", "white space around the version (valid)"),
            ("version-undashed", "the version without dashes"),
            ("wrong-bearer", "a bearer token one character off"),
            ("wrong-bearer-beside-key", "a wrong bearer beside a right key (valid)"),
            ("wrong-key", "a key one character off"),
        ],
    },
    Family {
        id: "size",
        text: "The body is just over or just under a limit of size or count. White space makes it large without \
            making it mean more.",
        answer: "413 request_too_large for bytes, 400 invalid_request_error for counts",
        remedy: "Send less: refer to files by id, shrink images, split the batch.",
        demands: &[],
        names: &[
            ("body-just-over", "one byte over the limit of the operation"),
            ("body-just-under", "one byte under it (valid)"),
            ("messages-just-over", "one message more than 100,000"),
            ("requests-just-over", "one request more than 100,000 in a batch"),
        ],
    },
    Family {
        id: "model",
        text: "The name of a model is odd and taken, or looks right and is not.",
        answer: "404 not_found_error, `model: NAME`; served for aliases and deprecated models",
        remedy: "Take the name from `GET /v1/models`, as it stands there.",
        demands: &[],
        names: &[
            ("model-alias", "an alias of a dated snapshot (valid)"),
            ("model-case", "a model in upper case"),
            ("model-deprecated", "a deprecated model (valid until it is retired)"),
            ("model-padded", "a space before the name"),
            ("model-vendor-prefixed", "`anthropic/` before the name"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use contract::case::Origin;
    use contract::corpus::{self, Plan};
    use contract::mutate;

    use super::*;
    use crate::specs::{Overrides, SCHEMA_DEMANDS, Specs};

    #[test]
    fn every_name_in_the_corpus_is_explained_and_no_other() {
        let specs = Specs::load(&Overrides::default()).unwrap();
        let plan = Plan { seed: 1, cases_max: None, heavy: true };
        let mut drawn = BTreeSet::new();
        for case in corpus::cases(&specs.contract, &[], plan) {
            if let Origin::Mutated(mutation) = case.origin
                && mutation.family != "rule"
            {
                drawn.insert((mutation.family, mutation.rule));
            }
        }
        let told = FAMILIES
            .iter()
            .flat_map(|family| family.names.iter().map(move |(name, _)| (family.id, *name)));
        let told: BTreeSet<_> = told.collect();
        // No list of the spec has a bound other than one that `empty` or `size` breaks.
        let unseen = [&("bounds", "too-few"), &("bounds", "too-many")];
        assert_eq!(told.difference(&drawn).collect::<Vec<_>>(), unseen, "never drawn");
        assert_eq!(drawn.difference(&told).collect::<Vec<_>>(), [&("", ""); 0], "unexplained");
    }

    #[test]
    fn every_family_and_every_demand_of_the_schema_is_explained() {
        let families: Vec<_> = FAMILIES.iter().skip(1).map(|family| family.id).collect();
        assert_eq!(families, mutate::FAMILIES.iter().map(|f| f.name).collect::<Vec<_>>());
        let mut demands: Vec<_> = FAMILIES.iter().flat_map(|family| family.demands).collect();
        demands.sort();
        assert_eq!(demands, SCHEMA_DEMANDS.iter().collect::<Vec<_>>());
    }
}
