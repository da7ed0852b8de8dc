//! Job folders, and the rows read from them.
