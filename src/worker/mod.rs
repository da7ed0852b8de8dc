//! One job, start to finish, inside its own process.
