//! Finds the tags of a template without reading what stands in them.
//!
//! In: the text of a template. Out: places in it.
//! Never: takes a mark inside of a quoted text, a comment or a `raw` block for the end of a tag.
//! Fails: with the place where something begins that does not end.
//! Source: Jinja 3.1's lexer. The build of this crate uses it too, for the built-in macros.

/// Where the next tag or comment begins, and its second sign.
pub(crate) fn next_mark(text: &str) -> Option<(usize, u8)> {
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let at = from + text[from..].find('{')?;
        match bytes.get(at + 1) {
            Some(mark @ (b'{' | b'%' | b'#')) => return Some((at, *mark)),
            _ => from = at + 1,
        }
    }
}

/// The length of the tag `{% word %}` if the text begins with it, and whether it ends with `-`.
pub(crate) fn word_tag(text: &str, word: &str) -> Option<(usize, bool)> {
    let inside = text.strip_prefix("{%")?;
    let inside = inside.strip_prefix(['-', '+']).unwrap_or(inside).trim_start();
    let inside = inside.strip_prefix(word)?.trim_start();
    let signed = inside.strip_prefix(['-', '+']).unwrap_or(inside);
    let rest = signed.strip_prefix("%}")?;
    Some((text.len() - rest.len(), inside.starts_with('-')))
}

/// Where a tag ends: the length from behind its opening mark to behind its closing one.
pub(crate) fn tag_end(text: &str, close: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quote = None;
    let mut escaped = false;
    for (at, byte) in bytes.iter().enumerate() {
        if let Some(mark) = quote {
            if !escaped && *byte == mark {
                quote = None;
            }
            escaped = *byte == b'\\' && !escaped;
        } else if *byte == b'"' || *byte == b'\'' {
            quote = Some(*byte);
        } else if bytes[at..].starts_with(close.as_bytes()) {
            return Some(at + close.len());
        }
    }
    None
}

/// Goes through the tags `{% … %}` of a file without reading what stands in them.
#[derive(Debug)]
pub(crate) struct TagScanner<'s> {
    source: &'s str,
    at: usize,
}

/// A tag as [`TagScanner`] finds it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tag<'s> {
    /// Where it begins.
    pub(crate) start: usize,
    /// Where it ends.
    pub(crate) end: usize,
    /// What stands in it, without its marks and signs.
    pub(crate) inside: &'s str,
}

impl<'s> TagScanner<'s> {
    /// Over this text.
    pub(crate) fn new(source: &'s str) -> Self {
        Self { source, at: 0 }
    }

    /// The next tag; an error is where one begins that does not end.
    pub(crate) fn next(&mut self) -> Option<Result<Tag<'s>, usize>> {
        loop {
            let (offset, mark) = next_mark(&self.source[self.at..])?;
            let start = self.at + offset;
            let rest = &self.source[start..];
            match mark {
                b'#' => {
                    let Some(end) = rest.find("#}") else { return Some(Err(start)) };
                    self.at = start + end + 2;
                }
                b'{' => self.at = start + 2 + tag_end(&rest[2..], "}}").unwrap_or(0),
                _ => {
                    if let Some((begin, _)) = word_tag(rest, "raw") {
                        let Some(length) = end_of_raw(&rest[begin..]) else { return Some(Err(start)) };
                        self.at = start + begin + length;
                        continue;
                    }
                    let Some(length) = tag_end(&rest[2..], "%}") else { return Some(Err(start)) };
                    self.at = start + 2 + length;
                    let inside = &rest[2..length];
                    let inside = inside.strip_prefix(['-', '+']).unwrap_or(inside);
                    let inside = inside.strip_suffix(['-', '+']).unwrap_or(inside).trim();
                    return Some(Ok(Tag { start, end: self.at, inside }));
                }
            }
        }
    }
}

/// Where a `raw` block's end tag ends.
fn end_of_raw(body: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + body[from..].find("{%")?;
        if let Some((length, _)) = word_tag(&body[at..], "endraw") {
            return Some(at + length);
        }
        from = at + 2;
    }
}
