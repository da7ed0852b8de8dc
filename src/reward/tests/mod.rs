//! The whole module: recorded scores, scores worked by hand, and odd texts.

#![expect(clippy::float_cmp, reason = "scores are equal to the last bit")]

mod fixture;
mod fuzz;
mod golden;
mod odd_texts;
mod variants;
