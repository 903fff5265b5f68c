//! Runs one parameterised statement file.
