//! SQL sessions: the drivers that hold the connection and the credential.
