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

use super::beside::{Beside, Gone, Probe, Said};
use super::line::{First, Last, Line, Step, digest};
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
    /// What the target was found to have, if it is not our own mock.
    pub probe: Option<Probe>,
    /// How the target went, if that was the end of the run.
    pub gone: Option<Gone>,
    places: BTreeMap<CaseId, Place>,
    /// Steps of chains, which are no cases of the corpus.
    steps: BTreeMap<CaseId, Place>,
    twins: BTreeMap<CaseId, Said>,
    file: Mutex<File>,
}

/// Where a line stands.
struct Place {
    at: u64,
    len: usize,
    digest: String,
    is_cut: bool,
    is_step: bool,
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
            probe: None,
            gone: None,
            places: BTreeMap::new(),
            steps: BTreeMap::new(),
            twins: BTreeMap::new(),
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
        // What was the end is none if a later run went on behind it.
        (self.skipped, self.gone) = (None, None);
        let (at, len) = (self.whole_bytes, line.len());
        match mark {
            Mark::Case(case) => {
                let (id, place) = case.place(at, len, false);
                self.places.insert(id, place);
            }
            Mark::Step { step } => {
                let (id, place) = step.place(at, len, true);
                self.steps.insert(id, place);
            }
            Mark::Beside(Beside::Probe(probe)) => self.probe = Some(*probe),
            Mark::Beside(Beside::Twin(twin)) => {
                self.twins.insert(CaseId(twin.case), twin.said);
            }
            Mark::Beside(Beside::Gone(gone)) => self.gone = Some(gone),
            Mark::Last(Last { skipped }) => self.skipped = Some(skipped),
        }
        self.whole_bytes += line.len() as u64;
        Ok(())
    }

    /// Whether the answer to just this request is there, and whole.
    pub fn answers(&self, id: &CaseId, request: &Request) -> bool {
        self.place(id).is_some_and(|place| !place.is_cut && place.digest == digest(request))
    }

    /// Whether the case is there and asked something else.
    pub fn asked_otherwise(&self, id: &CaseId, request: &Request) -> bool {
        self.place(id).is_some_and(|place| place.digest != digest(request))
    }

    /// The line of that case or step. It was read once before, so that an error is the disk's.
    pub fn entry(&self, id: &CaseId) -> io::Result<Option<Entry>> {
        let Some(place) = self.place(id) else { return Ok(None) };
        let mut line = vec![0; place.len];
        {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(place.at))?;
            file.read_exact(&mut line)?;
        }
        entry(&line, place.is_step)
            .map(Some)
            .map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason))
    }

    /// What came of comparing the stream of that case with its plain answer.
    pub fn twin(&self, id: &CaseId) -> Option<&Said> {
        self.twins.get(id)
    }

    /// Cases of the corpus and steps of chains have no names in common.
    fn place(&self, id: &CaseId) -> Option<&Place> {
        self.places.get(id).or_else(|| self.steps.get(id))
    }

    /// The cases of the corpus, without the steps of chains.
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
#[serde(untagged, expecting = "it is not one of the lines that a journal has")]
enum Mark {
    Case(CaseMark),
    Step { step: CaseMark },
    Beside(Beside),
    Last(Last),
}

#[derive(Deserialize)]
struct CaseMark {
    id: String,
    request: Asked,
    observation: Length,
}

impl CaseMark {
    fn place(self, at: u64, len: usize, is_step: bool) -> (CaseId, Place) {
        let is_cut = self.observation.is_cut();
        let place = Place { at, len, digest: self.request.digest, is_cut, is_step };
        (CaseId(self.id), place)
    }
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

fn entry(line: &[u8], is_step: bool) -> Result<Entry, String> {
    let line: Line = match is_step {
        true => serde_json::from_slice(line).map(|Step { step }| step),
        false => serde_json::from_slice(line),
    }
    .map_err(|error| error.to_string())?;
    let (observation, truncated) = line.observation.back()?;
    Ok(Entry { id: CaseId(line.id), observation, truncated, judged: line.judged })
}
