//! What a user may write, and whether it makes sense.
