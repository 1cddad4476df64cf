//! A journal read back: an index in memory, the answers on the disk until they are asked for.
//!
//! The price is a second read of each line; a corpus of answers in memory would cost more than that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use classify::{Observation, Request};
use contract::case::CaseId;
use serde::Deserialize;

use super::line::{First, Last, Line, digest};
use super::{BODY_BYTES_MAX, Head, Judged, VERSION};

/// A body whose every byte is written as six, and its case; a longer line is not one of ours.
const LINE_BYTES_MAX: u64 = 8 * BODY_BYTES_MAX as u64;

/// A journal on the disk.
pub struct Book {
    pub head: Head,
    /// Whether the last line was begun and not ended. It is left out.
    pub is_torn: bool,
    /// Up to the end of the last line that is whole.
    pub whole_bytes: u64,
    /// Cases that were not sent, by reason, if the run came to its end.
    pub skipped: Option<BTreeMap<String, usize>>,
    places: BTreeMap<CaseId, Place>,
    file: Mutex<File>,
}

/// Where a line stands.
struct Place {
    at: u64,
    len: usize,
    digest: String,
    is_cut: bool,
}

/// One line read back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    pub id: CaseId,
    pub observation: Observation,
    /// Whether the body is only the beginning of what came; judging it again would judge our own cut.
    pub truncated: bool,
    pub judged: Judged,
}

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("read {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("read {}: it does not begin with a journal's header line", .0.display())]
    NotAJournal(PathBuf),
    #[error("read {}: it is a journal of version {version}, and this reads version {VERSION}", path.display())]
    Version { path: PathBuf, version: u32 },
    #[error("read line {number} of {}: {reason}", path.display())]
    BadLine { path: PathBuf, number: u64, reason: String },
}

impl Book {
    /// Reads the journal at `path`; none if there is no file or not even its header line was finished.
    ///
    /// A last line that does not end is what a killed run leaves, and is left out. Any other line that cannot be
    /// read is an error: nobody but us writes here.
    pub fn open(path: &Path) -> Result<Option<Self>, JournalError> {
        let io = |source| JournalError::Io { path: path.to_owned(), source };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(io)?,
        };
        let mut from = BufReader::new(file);
        let Some(first) = next_line(&mut from).map_err(io)? else { return Ok(None) };
        if first.last() != Some(&b'\n') {
            // A header line that was torn, or a file that is something else and must not be overwritten.
            let is_ours = TORN_HEAD.starts_with(&first[..first.len().min(TORN_HEAD.len())]);
            return if is_ours {
                Ok(None)
            } else {
                Err(JournalError::NotAJournal(path.to_owned()))
            };
        }
        let head = head(path, &first)?;
        let mut book = Self {
            head,
            is_torn: false,
            whole_bytes: first.len() as u64,
            skipped: None,
            places: BTreeMap::new(),
            file: Mutex::new(File::open(path).map_err(io)?),
        };
        let mut number = 1;
        while let Some(line) = next_line(&mut from).map_err(io)? {
            number += 1;
            if line.last() != Some(&b'\n') {
                book.is_torn = true;
                break;
            }
            book.note(&line).map_err(|reason| JournalError::BadLine {
                path: path.to_owned(),
                number,
                reason,
            })?;
        }
        Ok(Some(book))
    }

    /// A case that stands there twice was sent twice: the later answer counts.
    fn note(&mut self, line: &[u8]) -> Result<(), String> {
        let mark: Mark = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        self.skipped = None;
        match mark {
            Mark::Case { id, request, observation } => {
                let (at, len, is_cut) = (self.whole_bytes, line.len(), observation.is_cut());
                self.places.insert(CaseId(id), Place { at, len, digest: request.digest, is_cut });
            }
            Mark::Last(Last { skipped }) => self.skipped = Some(skipped),
        }
        self.whole_bytes += line.len() as u64;
        Ok(())
    }

    /// Whether the answer to just this request is there, and whole.
    pub fn answers(&self, id: &CaseId, request: &Request) -> bool {
        self.places.get(id).is_some_and(|place| !place.is_cut && place.digest == digest(request))
    }

    /// Whether the case is there and asked something else.
    pub fn asked_otherwise(&self, id: &CaseId, request: &Request) -> bool {
        self.places.get(id).is_some_and(|place| place.digest != digest(request))
    }

    /// The line of that case. It was read once before, so that an error is the disk's.
    pub fn entry(&self, id: &CaseId) -> io::Result<Option<Entry>> {
        let Some(place) = self.places.get(id) else { return Ok(None) };
        let mut line = vec![0; place.len];
        {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(place.at))?;
            file.read_exact(&mut line)?;
        }
        entry(&line).map(Some).map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason))
    }

    pub fn ids(&self) -> BTreeSet<&CaseId> {
        self.places.keys().collect()
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Cases whose answers were cut, because they are too long to keep.
    pub fn cut(&self) -> usize {
        self.places.values().filter(|place| place.is_cut).count()
    }
}

/// How every header line begins.
const TORN_HEAD: &[u8] = b"{\"journal\":\"probity\",";

/// What the index needs of a line.
#[derive(Deserialize)]
#[serde(untagged)]
enum Mark {
    Case { id: String, request: Asked, observation: Length },
    Last(Last),
}

#[derive(Deserialize)]
struct Asked {
    digest: String,
}

/// An observation, of which only the length matters.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Length {
    Reply(Kept),
    Cut { partial: Option<Kept> },
    Unsendable(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Kept {
    truncated: bool,
}

impl Length {
    fn is_cut(&self) -> bool {
        match self {
            Self::Reply(kept) | Self::Cut { partial: Some(kept) } => kept.truncated,
            Self::Cut { partial: None } | Self::Unsendable(_) => false,
        }
    }
}

/// The version before the rest: the header of another version may have other fields.
#[derive(Deserialize)]
struct Magic {
    journal: String,
    version: u32,
}

fn head(path: &Path, line: &[u8]) -> Result<Head, JournalError> {
    let not_ours = || JournalError::NotAJournal(path.to_owned());
    let magic: Magic = serde_json::from_slice(line).map_err(|_| not_ours())?;
    if magic.journal != "probity" {
        return Err(not_ours());
    }
    if magic.version != VERSION {
        return Err(JournalError::Version { path: path.to_owned(), version: magic.version });
    }
    let first: First = serde_json::from_slice(line).map_err(|_| not_ours())?;
    Ok(first.head)
}

/// The next line with its end, if it has one; none at the end of the input.
fn next_line(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let count = from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if count as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
    }
    Ok((count > 0).then_some(line))
}

fn entry(line: &[u8]) -> Result<Entry, String> {
    let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let (observation, truncated) = line.observation.back()?;
    Ok(Entry { id: CaseId(line.id), observation, truncated, judged: line.judged })
}
