//! The code blocks of a text, by the rules of `CommonMark`.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::{
    label::{Language, language},
    program::parses,
};

/// Blocks within blocks are read to this depth.
const DEPTH: usize = 4;
/// The longest tag that may share a line with a fence, in bytes.
const TAG_BYTES: usize = 40;

/// A block of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) language: Language,
    /// Whether it has a fence; otherwise it is indented.
    pub(super) is_fenced: bool,
    pub(super) code: String,
    /// The bytes of the block in the text; those of the block around it if it is in one.
    pub(super) range: Range<usize>,
}

/// The blocks of a text with `\n` line ends, in their order.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    within(text, DEPTH)
}

fn within(text: &str, depth: usize) -> Vec<Block> {
    if !text.contains("```")
        && !text.contains("~~~")
        && !text.contains("    ")
        && !text.contains('\t')
    {
        return Vec::new();
    }
    let mut found = Vec::new();
    for mut block in plain_blocks(text) {
        if let Some(code) = code_left_of_fence(&block, text) {
            block.code = code;
        }
        let inner = match inner_text(&mut block, text) {
            Some(inner) if depth > 0 => within(&inner, depth - 1),
            _ => Vec::new(),
        };
        let range = block.range.clone();
        found.push(block);
        found.extend(inner.into_iter().map(|inner| Block {
            range: range.clone(),
            ..inner
        }));
    }
    found
}

/// The blocks that `CommonMark` has in a text where HTML is text.
pub(super) fn plain_blocks(text: &str) -> Vec<Block> {
    let masked = masked(text);
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (event, range) in Parser::new_ext(&masked, Options::empty()).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let (language, is_fenced) = match &kind {
                    CodeBlockKind::Fenced(info) => (language(info), true),
                    CodeBlockKind::Indented => (Language::Plain, false),
                };
                open = Some(Block {
                    language,
                    is_fenced,
                    code: String::new(),
                    range,
                });
            }
            Event::Text(piece) => {
                if let Some(block) = &mut open {
                    // The parser has read a text with other signs in the same places.
                    let own = text.get(range).filter(|own| own.len() == piece.len());
                    block
                        .code
                        .push_str(own.filter(|own| !own.is_empty()).unwrap_or(&piece));
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                found.extend(open.take().map(|mut block| {
                    if block.code.ends_with('\n') {
                        block.code.pop();
                    }
                    block
                }));
            }
            _ => {}
        }
    }
    found
}

/// The places of names that lines of a text mark as code by backticks: those without white space.
pub(super) fn names_in_lines(text: &str) -> Vec<Range<usize>> {
    let masked = masked(text);
    let events = Parser::new_ext(&masked, Options::empty()).into_offset_iter();
    let spans = events.filter_map(|(event, range)| match event {
        // A lone backtick before the tag and one after it do not mean a name.
        Event::Code(code) => (!code.trim().contains(char::is_whitespace)).then_some(range),
        _ => None,
    });
    spans.collect()
}

/// The lines of code as they are, if some start left of their indented fence.
///
/// `CommonMark` takes the indentation of the fence off each line that has it, and would so change the indentation of lines
/// against one another.
fn code_left_of_fence(block: &Block, text: &str) -> Option<String> {
    let line = text.get(..block.range.start)?;
    let before = line.rsplit('\n').next().unwrap_or(line);
    let own = text.get(block.range.clone())?;
    let spaces = |text: &str| text.len() - text.trim_start_matches(' ').len();
    let indent = before.len() + spaces(own);
    if !block.is_fenced || block.code.is_empty() || spaces(before) < before.len() {
        return None;
    }
    let count = block.code.split('\n').count();
    let lines: Vec<&str> = own.split('\n').skip(1).take(count).collect();
    let is_left = |line: &&str| !line.trim().is_empty() && spaces(line) < indent;
    let is_tab = |line: &&str| line.trim_start_matches(' ').starts_with('\t');
    let is_changed = lines.iter().any(is_left) && !lines.iter().any(is_tab);
    is_changed.then(|| lines.join("\n"))
}

/// The text without HTML, links and the tags around fences, each byte in its place.
pub(super) fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let content = line.trim_start_matches([' ', '\t']);
        let indent = line.len() - content.len();
        let before = tags(content);
        let (tags_before, rest) = content.split_at_checked(before).unwrap_or(("", content));
        let is_opening = before > 0 && fence(rest.trim_start()).is_some();
        let (blank, rest) = if is_opening {
            (tags_before, rest)
        } else {
            ("", content)
        };
        masked.push_str(line.get(..indent).unwrap_or_default());
        masked.extend(blank.chars().map(|_| '\n'));
        let fence = fence(rest.trim_start()).unwrap_or_default();
        let start = rest.len() - rest.trim_start().len();
        let (closing, after) = rest
            .split_at_checked(start + fence.len())
            .unwrap_or((rest, ""));
        let has_tag = !fence.is_empty() && after.trim_start().starts_with("</");
        if has_tag && tags(after.trim_start()) > 0 {
            masked.push_str(closing);
            let spaces = after.len() - after.trim_start().len();
            let end = spaces + tags(after.trim_start());
            let (tags, after) = after.split_at_checked(end).unwrap_or((after, ""));
            masked.extend(tags.chars().map(|_| '\n'));
            masked.push_str(&after.replace(['<', '['], "x"));
        } else if !fence.is_empty() && after.trim().is_empty() {
            // The parser knows no tab after a closing fence.
            masked.push_str(closing);
            masked.push_str(&after.replace('\t', " "));
        } else {
            masked.push_str(&rest.replace(['<', '['], "x"));
        }
    }
    masked
}

/// The bytes of the tags with which a text starts.
fn tags(text: &str) -> usize {
    let mut rest = text;
    while let Some(tag) = rest.strip_prefix('<') {
        let Some((name, after)) = tag.split_once('>') else {
            break;
        };
        let first = name.strip_prefix('/').unwrap_or(name).chars().next();
        let is_tag = first.is_some_and(|c| c.is_ascii_alphabetic())
            && name.len() <= TAG_BYTES
            && name.is_ascii()
            && !name.contains('\n');
        if !is_tag {
            break;
        }
        rest = after;
    }
    text.len() - rest.len()
}

/// The fence with which a text starts.
fn fence(text: &str) -> Option<&str> {
    let of = |sign: char| {
        let length = text.len() - text.trim_start_matches(sign).len();
        text.get(..length).filter(|_| length >= 3)
    };
    of('`').or_else(|| of('~'))
}

/// The text in a block, or after its code, that may have blocks of its own.
///
/// If the block closes at the end of a line of code, its code is cut there.
fn inner_text(block: &mut Block, text: &str) -> Option<String> {
    let own = text.get(block.range.clone()).unwrap_or_default();
    let fence = fence(own.trim_start());
    if let Some(fence) = fence.filter(|_| block.is_fenced)
        && let Some(rest) = cut_at_line_end(&mut block.code, fence)
    {
        return Some(rest);
    }
    let has_fence = |line: &str| self::fence(line.trim_start()).is_some();
    let may_have = match block.language {
        Language::Markdown => true,
        Language::Plain => block.code.lines().any(has_fence) && !parses(&block.code),
        Language::Python | Language::Other => false,
    };
    may_have.then(|| block.code.clone())
}

/// Cuts code at the first line that ends with the fence, if what is before it is Python and the whole is not; returns
/// the lines after it.
fn cut_at_line_end(code: &mut String, fence: &str) -> Option<String> {
    let mut start = 0;
    let end = code.split_inclusive('\n').find_map(|line| {
        let content = line.trim_end();
        let before = content.strip_suffix(fence);
        let place = start + before.map_or(0, str::len);
        start += line.len();
        before
            .filter(|before| !before.trim().is_empty() && !before.ends_with(['`', '~']))
            .map(|_| (place, start))
    });
    let (place, next) = end?;
    let before = code.get(..place)?;
    if !parses(before) || parses(code) {
        return None;
    }
    let rest = code.get(next..).unwrap_or_default().to_owned();
    code.truncate(place);
    Some(rest)
}
