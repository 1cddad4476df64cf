//! Signatures of thinking blocks, as our own mock issues them.
//!
//! Real signatures can be made and checked by the API alone. Ours are a keyed hash of the thinking text, so that
//! a forged or altered one is told from a genuine one by computing and not by a list; the key is public, because
//! nothing is protected by it. The price is that a case holding one needs our mock: `mock-only`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const KEY: &[u8] = b"probity thinking signature v1";

/// The signature of a thinking text, base64.
pub fn sign(thinking: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(KEY);
    hasher.update(thinking.as_bytes());
    STANDARD.encode(hasher.finalize())
}

/// Whether the signature is the one of that text.
pub fn verify(thinking: &str, signature: &str) -> bool {
    sign(thinking) == signature
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_text_or_signature_is_noticed() {
        let signature = sign("step by step");
        assert!(verify("step by step", &signature));
        assert!(!verify("step by step.", &signature));
        assert!(!verify("step by step", &signature.replacen(&signature[..1], "_", 1)));
    }
}
