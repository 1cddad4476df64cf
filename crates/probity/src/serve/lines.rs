//! Lines at a pace that people can read, on a thread of their own.
//!
//! Whoever starts a server from a test often reads its first line and nothing more. A pipe that is full then stops
//! whoever writes to it: here a thread that has nothing else to do.

use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::console::{self, say};

/// As many lines as somebody can see pass; the others of that second are counted.
const LINES_PER_SECOND_MAX: u32 = 20;

/// Enough for a few seconds in which the reader is busy.
const WAITING_LINES_MAX: usize = 100;

/// A reader that is there has read the last words by then.
const END_TIME_MAX: Duration = Duration::from_secs(2);

/// Says what goes to standard output after the first line.
pub(crate) struct Speaker {
    words: SyncSender<String>,
    ended: Receiver<()>,
}

impl Speaker {
    pub(crate) fn start() -> Self {
        let (words, heard) = sync_channel::<String>(WAITING_LINES_MAX);
        let (ending, ended) = channel();
        thread::spawn(move || {
            for words in heard {
                say(&words);
            }
            drop(ending);
        });
        Self { words, ended }
    }

    /// Whether there was room for it.
    fn try_say(&self, words: String) -> bool {
        self.words.try_send(words).is_ok()
    }

    /// Says the last words, if anybody listens.
    pub(crate) fn finish(self, words: String) {
        let _nobody_listens = self.words.try_send(words);
        drop(self.words);
        let _ended_or_gave_up = self.ended.recv_timeout(END_TIME_MAX);
    }
}

/// The lines of this second.
pub(crate) struct Lines {
    second: Instant,
    said: u32,
    unsaid: usize,
}

impl Lines {
    pub(crate) fn new() -> Self {
        Self { second: Instant::now(), said: 0, unsaid: 0 }
    }

    /// What is not said is counted, and the count is said with the first line of a later second.
    pub(crate) fn say(&mut self, speaker: &Speaker, line: String) {
        if Duration::from_secs(1) < self.second.elapsed() {
            let more = std::mem::take(&mut self.unsaid);
            if more > 0
                && !speaker.try_say(format!("… and {}\n", console::count(more, "more request")))
            {
                self.unsaid = more;
            }
            (self.second, self.said) = (Instant::now(), 0);
        }
        if self.said < LINES_PER_SECOND_MAX && speaker.try_say(line) {
            self.said += 1;
        } else {
            self.unsaid += 1;
        }
    }
}
