//! The parts of an answer: what follows the thinking, and what is marked as the answer.

use std::ops::Range;

use super::{
    blocks::{Block, blocks, names_in_lines},
    program::parses,
};

pub(super) const THINKING_END: &str = "</think>";
const START: &str = "<answer>";
const END: &str = "</answer>";

/// A longer answer with more tags than these is not read to its end.
const TAGS: usize = 16;

/// The text after the thinking, or the whole text if no thinking ends; and the text after the first tag that could end the
/// thinking, if that is another one.
///
/// Thinking may name the tag that ends it, so it ends at the last tag that code follows. A tag in a block of code is part
/// of the code.
pub(super) fn spoken(text: &str) -> (&str, Option<&str>) {
    let mut ends = outside(text, THINKING_END);
    if ends.is_empty() {
        // A draft whose fence is not closed would hide the end of the thinking.
        ends.extend(hidden(text, THINKING_END));
    }
    let after = |end: &Range<usize>| text.get(end.end..).unwrap_or_default();
    let has_code = |rest: &&str| {
        let all = blocks(rest);
        all.iter()
            .any(|block| block.is_fenced && !block.code.trim().is_empty())
    };
    if let [end] = &*ends {
        return (after(end), None);
    }
    let mut later = ends.iter().rev().take(TAGS).map(after);
    let with_code = later.find(has_code);
    let first = ends.first().map(after);
    let chosen = with_code.or(first).unwrap_or(text);
    (chosen, first.filter(|first| first.len() > chosen.len()))
}

/// The texts that are marked as the answer: closed ones first.
///
/// A text may name the tags before it uses them; a marked text starts at the last opening tag before the closing one.
pub(super) fn marked(text: &str) -> Vec<&str> {
    let (mut closed, mut open) = (Vec::new(), Vec::new());
    let mut rest = text;
    for _ in 0..TAGS {
        let first = outside(rest, START).into_iter().next();
        let Some(start) = first.or_else(|| hidden(rest, START)) else {
            break;
        };
        let inside = rest.get(start.end..).unwrap_or_default();
        let Some(end) = outside(inside, END).into_iter().next() else {
            open.push(without_end(inside));
            break;
        };
        let inner = inside.get(..end.start).unwrap_or_default();
        let last = outside(inner, START).pop();
        closed.push(last.map_or(inner, |last| inner.get(last.end..).unwrap_or_default()));
        rest = inside.get(end.end..).unwrap_or_default();
    }
    closed.append(&mut open);
    closed
}

/// A marked text whose code has no closing fence, without what follows the closing tag.
fn without_end(text: &str) -> &str {
    let at_end = text.trim_end().strip_suffix(END);
    let at_start = hidden(text, END).and_then(|end| text.get(..end.start));
    at_end.or(at_start).unwrap_or(text)
}

/// The places of a tag that is not in code.
fn outside(text: &str, tag: &str) -> Vec<Range<usize>> {
    let places = text.match_indices(tag).map(|(at, _)| at..at + tag.len());
    let places: Vec<Range<usize>> = places.collect();
    let before = places.last().and_then(|last| text.get(..last.start));
    let may_have_code = |text: &str| text.contains('`') || text.contains("~~~");
    if !before.is_some_and(may_have_code) {
        return places;
    }
    let names = names_in_lines(text);
    let blocks = blocks(text);
    let is_in = |block: &Block, place: &Range<usize>| {
        block.is_fenced && block.range.start < place.start && place.end <= block.range.end
    };
    let places = places.into_iter();
    places
        .filter(|place| !blocks.iter().any(|block| is_in(block, place)))
        .filter(|place| !names.iter().any(|name| name.contains(&place.start)))
        .collect()
}

/// The first place of a tag that starts a line in a block, where the block is not Python with it.
fn hidden(text: &str, tag: &str) -> Option<Range<usize>> {
    if !text.contains(tag) {
        return None;
    }
    let blocks = blocks(text);
    let mut places = text.match_indices(tag);
    places.find_map(|(at, _)| {
        let before = text.get(..at)?.trim_end_matches([' ', '\t']);
        let is_start = before.is_empty() || before.ends_with('\n');
        let is_code = |block: &Block| block.range.contains(&at) && parses(&block.code);
        let is_hidden = is_start && !blocks.iter().any(is_code);
        is_hidden.then(|| at..at + tag.len())
    })
}
