//! Rows to tables, beside the figures of the paper.
