//! Writes JSON straight into bytes.
//!
//! A tree would cost an allocation per member, and the generator must make a hundred thousand bodies a second.
//! Commas are decided by the last byte written, so the writer holds no state; the price is that raw pieces must
//! be whole values.

pub(super) struct Json(pub(super) Vec<u8>);

impl Json {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(super) fn open(&mut self, bracket: u8) {
        self.separate();
        self.0.push(bracket);
    }

    pub(super) fn close(&mut self, bracket: u8) {
        self.0.push(bracket);
    }

    /// Writes `"name":`; the name needs no escaping.
    pub(super) fn key(&mut self, name: &str) {
        self.separate();
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    pub(super) fn string(&mut self, text: &str) {
        self.separate();
        self.0.push(b'"');
        self.escaped(text);
        self.0.push(b'"');
    }

    /// A string made of several pieces.
    pub(super) fn joined(&mut self, pieces: &[&str]) {
        self.separate();
        self.0.push(b'"');
        for piece in pieces {
            self.escaped(piece);
        }
        self.0.push(b'"');
    }

    /// A whole value, already JSON.
    pub(super) fn raw(&mut self, json: &str) {
        self.separate();
        self.0.extend_from_slice(json.as_bytes());
    }

    pub(super) fn integer(&mut self, number: i64) {
        use std::io::Write as _;
        self.separate();
        write!(self.0, "{number}").expect("a Vec takes every write");
    }

    fn separate(&mut self) {
        if !matches!(self.0.last(), None | Some(b'{' | b'[' | b':')) {
            self.0.push(b',');
        }
    }

    fn escaped(&mut self, text: &str) {
        let bytes = text.as_bytes();
        // Most texts hold nothing to escape; asked of all bytes without a branch, that costs next to nothing.
        let is_special =
            |byte: u8| (byte == b'"') | (byte == b'\\') | (byte == b'\n') | (byte == b'\t');
        if !bytes.iter().fold(false, |special, byte| special | is_special(*byte)) {
            return self.0.extend_from_slice(bytes);
        }
        let mut written = 0;
        for (index, byte) in bytes.iter().enumerate() {
            let escape: &[u8] = match byte {
                b'"' => b"\\\"",
                b'\\' => b"\\\\",
                b'\n' => b"\\n",
                b'\t' => b"\\t",
                _ => continue,
            };
            self.0.extend_from_slice(&bytes[written..index]);
            self.0.extend_from_slice(escape);
            written = index + 1;
        }
        self.0.extend_from_slice(&bytes[written..]);
    }
}
