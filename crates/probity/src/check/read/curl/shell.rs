//! Words of a shell's text, split and not replaced.

/// A command of a script.
pub(super) struct Command {
    /// Where it begins, counted from one.
    pub(super) line: u64,
    pub(super) words: Vec<Word>,
    /// What stands below it, up to the word that `<<` names.
    pub(super) input: Option<Word>,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Word {
    pub(super) text: String,
    /// What a shell would replace in it.
    pub(super) variables: Vec<String>,
}

/// Splits a text into commands that have a word `curl`, and those into words.
pub(super) fn commands(text: &str) -> Vec<Command> {
    let text = if text.contains("^\"") { without_carets(text) } else { text.to_owned() };
    let mut shell = Shell { text: text.chars().collect(), at: 0, line: 1 };
    let mut commands = Vec::new();
    // Ends with the text.
    while shell.peek().is_some() {
        let command = shell.command();
        if command.words.iter().any(|word| word.text == "curl") {
            commands.push(command);
        }
    }
    commands
}

/// What browsers write for the other shell, with a caret before whatever it might take for its own.
fn without_carets(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let behind = rest.peek().copied();
        match (c, behind) {
            // Goes on in the next line, or is a line end within quotes.
            ('^', Some('\r' | '\n')) => plain.push('\\'),
            ('^', Some(_)) => plain.extend(rest.next()),
            _ => plain.push(c),
        }
    }
    plain
}

struct Shell {
    text: Vec<char>,
    at: usize,
    line: u64,
}

impl Shell {
    /// Up to the end of the command: a line end, or what joins commands.
    fn command(&mut self) -> Command {
        let mut command = Command { line: self.line, words: Vec::new(), input: None };
        loop {
            self.space();
            match self.peek() {
                None => return command,
                Some('\n' | ';' | '|' | '&' | '(' | ')') => {
                    self.next();
                    return command;
                }
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.next();
                    }
                }
                Some('`') => drop(self.next()),
                Some(_) => {
                    if command.words.is_empty() {
                        command.line = self.line;
                    }
                    let word = self.word();
                    match word.text.strip_prefix("<<").filter(|end| !end.starts_with('<')) {
                        Some("" | "-") => {
                            self.space();
                            let end = self.word().text;
                            command.input = Some(self.input(&end));
                        }
                        Some(end) => command.input = Some(self.input(end.trim_start_matches('-'))),
                        None => command.words.push(word),
                    }
                }
            }
        }
    }

    /// Takes the lines below this one out of the text, up to that which is this word.
    fn input(&mut self, end: &str) -> Word {
        let is_end = |c: &char| *c == '\n';
        let rest = &self.text[self.at..];
        let Some(start) = rest.iter().position(is_end).map(|line_end| self.at + line_end + 1)
        else {
            return Word::default();
        };
        let below: String = self.text[start..].iter().collect();
        let is_last = |line: &str| line.trim_matches(['\t', '\r', '\n']) == end;
        let lines: Vec<_> = below.split_inclusive('\n').collect();
        let until = lines.iter().position(|line| is_last(line)).unwrap_or(lines.len());
        let text = lines[..until].concat();
        let taken = lines[..lines.len().min(until + 1)].iter().map(|line| line.chars().count());
        self.text.drain(start..start + taken.sum::<usize>());
        self.line += until as u64 + 1;
        let mut inner = Self { text: text.chars().collect(), at: 0, line: 1 };
        let mut word = Word::default();
        while let Some(c) = inner.peek() {
            match c {
                '$' => inner.variable(&mut word),
                _ => word.text.extend(inner.next()),
            }
        }
        word
    }

    /// Over spaces, and line ends that count as such.
    fn space(&mut self) {
        loop {
            if self.is_continued() {
                self.until('\n');
            } else if matches!(self.peek(), Some(' ' | '\t' | '\r')) {
                self.next();
            } else {
                return;
            }
        }
    }

    /// A line end that counts as space: behind a backslash, or the caret of the other shell.
    fn is_continued(&self) -> bool {
        let [first, second] = [self.text.get(self.at), self.text.get(self.at + 1)];
        let after = self.text.get(self.at + 2);
        matches!(first, Some('\\' | '^'))
            && (second == Some(&'\n') || second == Some(&'\r') && after == Some(&'\n'))
    }

    fn word(&mut self) -> Word {
        let mut word = Word::default();
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' | '\n' | ';' | '|' | '&' | ')' | '`' => break,
                _ if self.is_continued() => self.until('\n'),
                '\'' => self.single(&mut word),
                '"' => self.double(&mut word),
                '$' if self.text.get(self.at + 1) == Some(&'\'') => {
                    self.next();
                    self.next();
                    self.ansi(&mut word);
                }
                '$' => self.variable(&mut word),
                '\\' => {
                    self.next();
                    word.text.extend(self.next());
                }
                _ => word.text.extend(self.next()),
            }
        }
        word
    }

    fn single(&mut self, word: &mut Word) {
        self.next();
        while let Some(c) = self.next().filter(|c| *c != '\'') {
            word.text.push(c);
        }
    }

    fn double(&mut self, word: &mut Word) {
        self.next();
        while let Some(c) = self.peek() {
            match c {
                '"' => {
                    self.next();
                    return;
                }
                '$' => self.variable(word),
                '\\' => {
                    self.next();
                    match self.next() {
                        Some('\n') | None => {}
                        Some(c @ ('"' | '\\' | '$' | '`')) => word.text.push(c),
                        Some(c) => word.text.extend(['\\', c]),
                    }
                }
                _ => word.text.extend(self.next()),
            }
        }
    }

    /// `$'…'`, with the escapes of C.
    fn ansi(&mut self, word: &mut Word) {
        while let Some(c) = self.next() {
            match c {
                '\'' => return,
                '\\' => match self.next() {
                    Some('n') => word.text.push('\n'),
                    Some('t') => word.text.push('\t'),
                    Some('r') => word.text.push('\r'),
                    Some('u') => word.text.extend(self.code(4)),
                    Some('U') => word.text.extend(self.code(8)),
                    Some('x') => word.text.extend(self.code(2)),
                    other => word.text.extend(other),
                },
                _ => word.text.push(c),
            }
        }
    }

    fn code(&mut self, digits_max: usize) -> Option<char> {
        let rest = &self.text[self.at.min(self.text.len())..];
        let digits: String =
            rest.iter().take(digits_max).take_while(|c| c.is_ascii_hexdigit()).collect();
        self.at += digits.len();
        let code = u32::from_str_radix(&digits, 16).ok()?;
        // Half of a pair stands for nothing here; a browser writes both, and either is lost alike.
        Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// `$NAME`, `${NAME}` or `$(command)`, kept as it is written.
    fn variable(&mut self, word: &mut Word) {
        let start = self.at;
        self.next();
        match self.peek() {
            Some('{') => self.until('}'),
            Some('(') => self.balanced(),
            _ => {
                while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
                    self.next();
                }
            }
        }
        let written: String = self.text[start..self.at].iter().collect();
        word.text.push_str(&written);
        if written.len() > 1 {
            word.variables.push(written);
        }
    }

    fn until(&mut self, end: char) {
        while self.next().is_some_and(|c| c != end) {}
    }

    fn balanced(&mut self) {
        let mut depth = 0_usize;
        while let Some(c) = self.next() {
            match c {
                '(' => depth += 1,
                ')' if depth == 1 => return,
                ')' => depth -= 1,
                _ => {}
            }
        }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        self.line += u64::from(c == '\n');
        Some(c)
    }
}
